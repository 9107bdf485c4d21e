"""Words of items for the search index. Search, in `store/filters`, asks for them."""
