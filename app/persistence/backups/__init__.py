"""Backups: a dump of the database and the folder of attachments, with sums and counts to hold them against, and the way back."""
