"""The machine side of OAuth."""
