"""Grade students' notebooks: what they hold is read and run in fenced processes, and becomes one row a student."""
