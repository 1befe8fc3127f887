"""The cache whose entries die of age."""

from concurrent.futures import ThreadPoolExecutor

from apps.common.expiring import ExpiringCache


def test_an_entry_lives_until_its_deadline():
    cache = ExpiringCache(2)
    cache.put("a", 1, until=10)

    assert cache.get("a", now=9.9) == 1
    assert cache.get("a", now=10) is None
    assert len(cache) == 0


def test_the_least_recently_used_goes_first():
    cache = ExpiringCache(2)
    cache.put("a", 1, until=10)
    cache.put("b", 2, until=10)
    cache.get("a", now=0)

    cache.put("c", 3, until=10)

    assert [cache.get(key, now=0) for key in "abc"] == [1, None, 3]


def test_an_entry_can_be_replaced_and_all_forgotten():
    cache = ExpiringCache(2)
    cache.put("a", 1, until=10)
    cache.put("a", 2, until=20)

    assert cache.get("a", now=15) == 2
    cache.clear()
    assert cache.get("a", now=15) is None


def test_threads_may_share_it():
    cache = ExpiringCache(8)

    def work(number):
        for turn in range(3000):
            cache.put((number, turn % 16), turn, until=turn % 3)
            cache.get((number + 1, turn % 16), now=1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))

    assert len(cache) <= 8


def test_what_was_looked_up_before_a_clear_is_not_kept() -> None:
    cache = ExpiringCache[int](2)
    generation = cache.generation
    cache.clear()

    cache.put("a", 1, until=10, generation=generation)

    assert cache.get("a", now=0) is None
