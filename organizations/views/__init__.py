"""Pages of organizations and people; a module for each noun."""
