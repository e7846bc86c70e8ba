"""Other people's software on the same work in the same run, alternating with ours."""
