"""The Processing job: many photos in, aligned faces, records and vectors out."""
