"""The transparency log: every audit row's commitment, in one tree that can only grow."""
