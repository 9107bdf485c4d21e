"""What makes parts of the repository: pictures, the sample call, the command reference."""
