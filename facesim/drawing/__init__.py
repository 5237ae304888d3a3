"""What every picture and page shares: colours, fonts, figures, grids of faces, HTML."""
