"""How fast the loop is, beside the limit of the database it runs on."""
