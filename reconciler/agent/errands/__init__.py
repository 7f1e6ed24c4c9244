"""Work that needs much memory, done by processes that end; and the news that it makes."""
