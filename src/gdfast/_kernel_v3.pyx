# The kernel again, compiled for wider vectors; directives come from setup.py.
include "_kernel.pyx"
