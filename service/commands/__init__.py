"""What `gradwire` does besides serving, one command a file."""
