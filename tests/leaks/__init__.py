"""The leak suite: is every answer a function of what the caller may see? (docs/leak-suite.md)"""
