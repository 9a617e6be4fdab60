"""The embedded catalog: built from data files of packages and from hand-kept list prices."""
