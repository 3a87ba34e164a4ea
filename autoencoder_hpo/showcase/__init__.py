"""What the dashboard shows of trials and studies: pictures, plots, notes, and where they lie."""
