"""What a request costs the server, beside a server that does nothing with it and beside others that serve the same network."""
