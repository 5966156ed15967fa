"""Deciding, without any doing."""
