import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilctl.algorithms.agreement import Agreement


def test_kappa_by_hand() -> None:
    """20 both right, 5 only a, 10 only b, 15 both wrong: 0.7 observed, 0.5 by chance."""
    found = Agreement(20, 5, 10, 15)
    assert found.num == 50 and found.agreement.estimate == 0.7
    assert found.kappa == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("counts", "kappa"),
    [((5, 0, 0, 5), 1.0), ((0, 5, 5, 0), -1.0), ((25, 25, 25, 25), 0.0), ((5, 0, 0, 0), None), ((0, 0, 0, 5), None)],
)
def test_extremes(counts: tuple[int, int, int, int], kappa: float | None) -> None:
    assert Agreement(*counts).kappa == kappa


@given(*[st.integers(1, 50)] * 4)
def test_it_is_symmetric_in_judges_and_in_right_and_wrong(a: int, b: int, c: int, d: int) -> None:
    kappa = Agreement(a, b, c, d).kappa
    assert Agreement(a, c, b, d).kappa == pytest.approx(kappa) and Agreement(d, b, c, a).kappa == pytest.approx(kappa)
