from causal.stt.seam import seam


def test_the_seam_lies_in_the_quietest_chunk():
    assert seam([900.0, 800.0, 20.0, 700.0], first_index=100) == 102


def test_of_several_equally_quiet_ones_the_latest_is_taken_so_that_less_is_late():
    assert seam([0.0, 500.0, 0.0, 0.0, 500.0], first_index=10) == 13
