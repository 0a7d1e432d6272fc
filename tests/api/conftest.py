from tests.api.city import city, fresh_minute

__all__ = ["city", "fresh_minute"]
