"""Curves in characters."""

from rilctl.views.watch.chart import bounds, draw


def test_a_rising_line_goes_from_the_lower_left_to_the_upper_right():
    assert draw([(0, 0.0), (3, 1.0)], 4, 4, 0.0, 1.0, braille=False) == ["   *", "  * ", " *  ", "*   "]
    # Two dots across and four down: the lowest on the left; on the right all above it, the way up to the highest.
    assert draw([(0, 0.0), (1, 1.0)], 1, 1, 0.0, 1.0) == ["\u2878"]


def test_a_steep_piece_has_no_holes():
    lines = draw([(0, 0.0), (1, 1.0)], 2, 5, 0.0, 1.0, braille=False)
    assert [line[1] for line in lines] == ["*", "*", "*", "*", " "]
    assert [line[0] for line in lines] == [" ", " ", " ", " ", "*"]


def test_many_steps_share_a_column_by_their_mean_and_few_are_joined():
    assert draw([(0, 0.0), (1, 1.0), (100, 1.0)], 3, 3, 0.0, 1.0, braille=False)[1][0] == "*"  # the mean of two
    assert draw([(7, 0.5)], 3, 3, 0.0, 1.0, braille=False) == ["   ", "*  ", "   "]
    assert draw([], 2, 1, 0.0, 1.0, braille=False) == ["  "]


def test_values_beyond_the_axis_stay_on_its_end():
    assert draw([(0, -5.0), (1, 9.0)], 2, 2, 0.0, 1.0, braille=False)[1][0] == "*"


def test_bounds():
    assert bounds([(0, 0.2), (1, 0.6)], is_share=True) == (0.0, 1.0)
    assert bounds([(0, 0.2), (1, 0.3)], is_share=True) == (0.2, 0.3)
    assert bounds([(0, 0.0), (1, 0.0)], is_share=True) == (0.0, 1.0)
    assert bounds([(0, 3.0), (1, 5.0)], is_share=False) == (3.0, 5.0)
    assert bounds([(0, 4.0)], is_share=False) == (2.0, 6.0)
    assert bounds([(0, 0.0)], is_share=False) == (0.0, 1.0)
