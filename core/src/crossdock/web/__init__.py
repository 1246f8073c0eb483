"""The web side: the door through which webhooks come in."""
