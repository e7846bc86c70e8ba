"""The copies: followers, their comparison and their repair."""
