"""What a server does under load: who waits for how long, who is refused, and what memory it takes."""
