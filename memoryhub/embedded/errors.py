"""What can go wrong before a hub runs."""


class HubError(Exception):
    """A sentence for the operator that says what is wrong and what to do. Shown without a traceback."""
