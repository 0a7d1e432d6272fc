from tests.api.city import city

__all__ = ["city"]
