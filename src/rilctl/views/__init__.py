"""What people look at: reports, a live view, comparisons, cards; read-only, from what runs left on disk."""
