import pytest

from rilctl.engines.training.world import World, find_world, first_host

TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "node1", "MASTER_PORT": "29500"}
SRUN = {
    "SLURM_STEP_NUM_TASKS": "16",
    "SLURM_PROCID": "9",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NODELIST": "gpu[07-08]",
    "SLURM_JOB_ID": "123456",
    "SLURM_NTASKS": "16",
}


def test_alone_where_nobody_says_otherwise() -> None:
    assert find_world({}) == World()
    assert find_world({"RANK": "1"}) == World()  # somebody else's


def test_torchrun_and_deepspeeds_launcher() -> None:
    assert find_world(TORCHRUN) == World(rank=3, size=4, local_rank=1, address="node1", port=29500)


def test_srun() -> None:
    assert find_world(SRUN) == World(rank=9, size=16, local_rank=1, address="gpu07", port=23456)


def test_a_launcher_inside_a_slurm_step_has_the_last_word() -> None:
    assert find_world(SRUN | TORCHRUN).rank == 3


def test_an_allocation_without_srun_is_one_process() -> None:
    assert find_world({"SLURM_NTASKS": "16", "SLURM_PROCID": "0", "SLURM_JOB_ID": "1"}) == World()


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("node1", "node1"),
        ("node1,node2", "node1"),
        ("gpu[07-09,12],login1", "gpu07"),
        ("rack3-gpu[3,5]", "rack3-gpu3"),
        ("n[1-2]-ib,other", "n1-ib"),
    ],
)
def test_the_first_host_of_a_slurm_list(nodes: str, first: str) -> None:
    assert first_host(nodes) == first


def test_an_empty_list_has_no_host() -> None:
    with pytest.raises(ValueError, match="no host"):
        first_host("")
