"""What Postroom's services say to each other, as data and nothing else.

Additive change only: a subject or tag that ships with `v1` decodes for ever (`samples/`).
Installed by event subscribers too, so it depends on msgspec alone and is Apache-2.0.
"""
