"""Tools to read policies with: find their gaps, explain one decision, try a new policy on an old journal."""
