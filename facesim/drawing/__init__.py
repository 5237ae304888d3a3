"""What every picture and page shares: colours, fonts, figures, HTML; and the drawn verdict."""
