"""The card of a student: what it was made from and how, measured results, limits, licences; nothing private."""
