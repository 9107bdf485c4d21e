"""Cut the texts of items into words for the search index. store/filters/search.py queries them."""
