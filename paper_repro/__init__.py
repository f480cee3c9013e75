"""The papers behind linalg_ml: their figures, drawn from studies, and their claims, checked."""
