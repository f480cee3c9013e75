"""Several processes do what one does: the same parameters, states, checkpoints, clear errors."""

import argparse
import collections
import pathlib
import sys
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(sys.platform == "win32", reason="processes are forked"),
]

import distributed_programs as programs  # noqa: E402

from linalg_ml import optim, orthogonalize  # noqa: E402
from linalg_ml.matrix_functions.orthogonalize import as_schedule  # noqa: E402
from linalg_ml.optim import torch as single  # noqa: E402
from linalg_ml.optim import torch_distributed as shared  # noqa: E402
from linalg_ml.optim import torch_lora  # noqa: E402

SIZES = (2, 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where all processes write."""
    return tmp_path_factory.mktemp("processes")


@pytest.fixture(scope="module")
def results(folder):
    """What each process returned, by the number of processes."""
    common = [programs.equality, programs.under_ddp]
    return {
        2: programs.run([*common, programs.killed_in_backward], 2, folder),
        4: programs.run([*common, programs.killed], 4, folder),
    }


@pytest.fixture(scope="module")
def alone():
    """The parameters and the optimizer of a single process, by case."""
    return {case: programs.run_case(case, single) for case in programs.CASES}


def of(results, size, program):
    found = [held[program] for held in results[size]]
    for one in found:
        assert not isinstance(one, str), one
    return found


def difference(found, wanted):
    return max(float((a - b).abs().max()) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", programs.CASES)
def test_parameters_are_those_of_one_process(results, alone, case, size):
    found = [one["cases"][case] for one in of(results, size, "equality")]
    for other in found[1:]:
        assert difference(other, found[0]) == 0
    assert difference(found[0], alone[case][0]) <= 1e-12
    start = programs.parameters(case)
    assert difference(found[0], [p.detach() for p in start]) > 0.01


@pytest.mark.parametrize("size", SIZES)
def test_every_number_of_the_state_is_in_one_process(results, alone, size):
    found = of(results, size, "equality")
    for case, (_, optimizer) in alone.items():
        sizes = [one["sizes"][case] for one in found]
        assert sum(sizes) == programs.size_of(optimizer.state)
        if programs.CASES[case][2] == 1 and case != "muon, qdwh" and "fused" not in case:
            assert max(sizes) <= sum(sizes) / size + 30  # equal, but for unequal shares of rows


@pytest.mark.parametrize("size", SIZES)
def test_work_is_balanced(results, size):
    for one in of(results, size, "equality"):
        loads = one["loads"]["muon, qdwh"]
        params = programs.parameters("muon, qdwh")
        optimizer = single.Muon(params, schedule="qdwh")
        costs = [optimizer._leafwise(optimizer.param_groups[0]).rule.cost(p) for p in params]
        assert sum(loads) == pytest.approx(sum(costs))
        assert max(loads) <= sum(costs) / size + max(costs)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", ["muon, large rows", "soap"])
def test_a_checkpoint_goes_on_in_another_number_of_processes(results, alone, folder, case, size):
    for one in of(results, size, "equality"):
        assert difference(one["resumed"][case], alone[case][0]) <= 1e-12
    held = shared.load_checkpoint(folder / f"{case}.{size}.pt")
    found, _ = programs.run_case(case, single, held["optimizer"], held["values"])
    assert difference(found, alone[case][0]) <= 1e-12


@pytest.mark.parametrize("size", SIZES)
def test_the_state_is_brought_where_it_is_wanted(results, size):
    found = of(results, size, "equality")
    for rank, one in enumerate(found):
        assert one["state at 1"] is None if rank == 1 else "consolidate" in one["state at 1"]
        assert "ValueError: state of a parameter" in one["unfit"]
        for i, state in found[0]["state"].items():
            for name, a in state.items():
                assert torch.equal(a, one["state"][i][name])


@pytest.mark.parametrize("size", SIZES)
def test_shards_of_a_matrix_are_orthogonalised_together(results, size):
    found = of(results, size, "equality")
    for key in found[0]["shards"]:
        a, _, axis, options = found[0]["shards"][key]
        x = torch.cat([one["shards"][key][1] for one in found], dim=axis)
        wanted = orthogonalize(a, **options)
        assert x.dtype == a.dtype
        if key[0] in ("nan", "inf"):
            assert bool(x.isnan().all()) and bool(wanted.isnan().all())
            continue
        if "precision" not in options:
            assert float((x - wanted).abs().max()) <= 1e-12, key
            continue
        exact = orthogonalize(a, **{**options, "precision": None})
        assert float((x - exact).norm()) <= 2 * float((wanted - exact).norm()), key


@pytest.mark.parametrize("size", SIZES)
def test_under_ddp_parts_of_a_batch_train_as_the_whole(results, size):
    wanted = programs.fit(programs.network(), single)
    for one in of(results, size, "under_ddp"):
        assert difference(one["fitted"], wanted) <= 1e-12


def test_a_group_may_be_a_part_of_all_processes(results, alone):
    found = of(results, 4, "under_ddp")
    for rank in (0, 3):
        assert difference(found[rank]["subgroup"], alone["muon"][0]) <= 1e-12
    assert found[3]["subgroup state"] == programs.size_of(alone["muon"][1].state)
    assert "not a member" in found[1]["stranger"]


@pytest.mark.parametrize("size", SIZES)
def test_an_error_in_one_process_ends_all_and_changes_nothing(results, size):
    for one in of(results, size, "equality"):
        found = one["errors"]
        broken = f"RankError: step 1 failed on rank {size - 1} of {size}: ArithmeticError: no dec"
        assert found["broken"].startswith(broken)
        assert found["unchanged"]
        assert "rank 1 of" in found["other gradients"] and "gradients" in found["other gradients"]
        assert "rank 1 of" in found["sparse"] and "sparse_coo" in found["sparse"]
        assert found["other model"].startswith("RankError: step 1")
        assert "rank 0" in found["no folder"] and "FileNotFoundError" in found["no folder"]
    for rank, one in enumerate(of(results, size, "equality")):
        kind = "TypeError: " if rank == 0 else "RankError: writing /nowhere/at/all.pt failed on"
        assert one["errors"]["unreadable"].startswith(kind)
        assert "folder must" in one["errors"]["unreadable"]
        assert one["errors"]["plain"] is None


def test_a_killed_process_ends_the_run_and_the_checkpoint_can_be_loaded(results, alone, folder):
    found = of(results, 4, "killed")
    assert found[2] is None
    for rank in (0, 1, 3):
        said = found[rank]["error"]
        assert said.startswith(f"RankError: step 3 failed, as seen by rank {rank} of 4: no sign of")
        assert "2" in said.split("no sign of")[1].split("which")[0]
        assert "last checkpoint" in said
    held = shared.load_checkpoint(folder / "before.pt")
    params, _ = programs.run_case("muon", single, held["optimizer"], held["values"])
    assert difference(params, alone["muon"][0]) <= 1e-12


def test_a_process_lost_in_the_backward_pass_is_named(results):
    found = of(results, 2, "killed_in_backward")
    assert found[0]["error"].startswith("RankError: the backward pass failed, as seen by rank 0")
    assert "no sign of rank 1," in found[0]["error"]


def test_a_damaged_checkpoint_is_noticed(folder, tmp_path, results):
    whole = (folder / "before.pt").read_bytes()
    for text in (whole[: len(whole) // 2], b"", b"nothing"):
        (tmp_path / "part.pt").write_bytes(text)
        with pytest.raises(ValueError, match="damaged"):
            shared.load_checkpoint(tmp_path / "part.pt")


def test_without_a_group_it_says_what_to_do():
    with pytest.raises(RuntimeError, match="init_process_group"):
        shared.Muon([torch.nn.Parameter(torch.ones(2, 2))])


@pytest.fixture
def group():
    """A group of one process."""
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("form", ["direct", "auto"])
@pytest.mark.parametrize("axis", [-2, -1])
@pytest.mark.parametrize("shape", [(12, 5), (8, 8), (5, 12)])
@pytest.mark.parametrize("normalization", programs.NORMALIZATIONS)
def test_all_of_a_matrix_in_one_process(group, normalization, shape, axis, form):
    schedule = replace(as_schedule("jordan", 5), normalization=normalization)
    a = torch.tensor(np.random.default_rng(2).standard_normal(shape))
    a[0] *= 30  # so that it matters which side is scaled
    for options in ({"schedule": schedule}, {"schedule": "turbo", "steps": 4}):
        x = shared.orthogonalize_shards(a, axis=axis, form=form, **options)
        assert difference([x], [orthogonalize(a, form=form, **options)]) <= 1e-12


def test_one_process_shares_nothing(group):
    for shape, options in (((4, 3, 3, 3), {}), ((6, 4), {"out_axis": -1}), ((8, 8), {})):
        params = [torch.nn.Parameter(torch.ones(shape)) for _ in range(2)]
        kinds = (single.Muon, shared.Muon)
        alone, optimizer = (
            kind([param], **options, **more)
            for kind, param, more in zip(kinds, params, ({}, {"row_shards": 1}), strict=True)
        )
        for param, one in zip(params, (alone, optimizer), strict=True):
            param.grad = torch.sin(torch.arange(1.0 * param.numel())).reshape(shape)
            one.step()
        state = optimizer.state_dict()
        assert state["state"][0]["mean"].shape == shape
        alone.load_state_dict(state)
        optimizer.load_state_dict(state)
        assert torch.equal(params[0], params[1])


def marked(mark):
    """Return a tensor with an attribute."""
    weight = torch.ones(2)
    weight.mark = mark
    return weight


def written(path, **others):
    """Return what comes back of what is saved with an optimizer."""
    shared.save_checkpoint(path, shared.Muon([torch.nn.Parameter(torch.ones(3, 2))]), **others)
    return shared.load_checkpoint(path)


def test_a_checkpoint_holds_what_can_be_read_again(group, tmp_path):
    model = torch.nn.BatchNorm1d(2)
    held = written(
        tmp_path / "run.pt",
        epoch=np.int64(3),
        losses=[np.float64(0.5), (np.float32(0.25), np.bool_(True)), None],
        best={np.int64(7): {"name": np.str_("a"), "size": torch.Size([2])}},
        counted=collections.Counter("aab"),
        model=model.state_dict(),
        rng=torch.get_rng_state(),
        weight=marked(1),
        numpy=np.random.default_rng(0).bit_generator.state,
    )
    assert type(held["epoch"]) is int and held["epoch"] == 3
    assert held["losses"] == [0.5, (0.25, True), None]
    assert [type(x) for x in held["losses"][1]] == [float, bool]
    assert held["best"] == {7: {"name": "a", "size": (2,)}} and type(*held["best"]) is int
    assert held["counted"] == {"a": 2, "b": 1}
    assert held["model"]._metadata == model.state_dict()._metadata
    assert torch.equal(held["rng"], torch.get_rng_state()) and held["weight"].mark == 1
    assert held["numpy"] == np.random.default_rng(0).bit_generator.state


@pytest.mark.parametrize(
    "others, place",
    [
        ({"options": argparse.Namespace(lr=1)}, "options must"),
        ({"epoch": 1, "folder": [0, pathlib.Path("x")]}, r"folder\[1\] must"),
        ({"rng": np.random.RandomState(0).get_state()}, r"rng\[1\] must"),
        ({"run": {"draw": {"f": lambda x: x}}}, r"run\['draw'\]\['f'\] must"),
        ({"run": {pathlib.Path("x"): 1}}, "a key of run must"),
        ({"weight": marked(pathlib.Path("x"))}, "weight must"),
        ({"loss": np.longdouble(1)}, "loss must"),
        ({"optimizer": {}}, "optimizer"),
    ],
)
def test_what_cannot_be_read_again_is_not_written(group, tmp_path, others, place):
    path = tmp_path / "run.pt"
    written(path, epoch=1)
    with pytest.raises(TypeError, match=f"^{place}"):
        written(path, **others)
    assert shared.load_checkpoint(path)["epoch"] == 1
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


def test_numbers_of_numpy_among_the_hyperparameters(group, tmp_path):
    param = torch.nn.Parameter(torch.ones(3, 2))
    optimizer = shared.Muon([param], lr=np.float64(0.1))
    shared.save_checkpoint(tmp_path / "run.pt", optimizer)
    found = shared.load_checkpoint(tmp_path / "run.pt")["optimizer"]["param_groups"][0]["lr"]
    assert type(found) is float and found == 0.1
    optimizer.param_groups[0]["scale"] = lambda m, n: 1.0
    with pytest.raises(TypeError, match=r"^optimizer\['param_groups'\]\[0\]\['scale'\] must"):
        shared.save_checkpoint(tmp_path / "run.pt", optimizer)


@pytest.mark.parametrize("kind", [torch.optim.AdamW, single.Muon])
def test_a_checkpoint_of_any_optimizer_of_pytorch(tmp_path, kind):
    param = torch.nn.Parameter(torch.ones(3, 2))
    optimizer = kind([param], lr=0.1)
    param.grad = torch.ones(3, 2)
    optimizer.step()
    shared.save_checkpoint(tmp_path / "run.pt", optimizer, epoch=1)
    other = kind([param], lr=0.2)
    other.load_state_dict(shared.load_checkpoint(tmp_path / "run.pt")["optimizer"])
    assert str(other.state_dict()) == str(optimizer.state_dict())
    with pytest.raises(TypeError, match="optimizer must have a state_dict, got Parameter"):
        shared.save_checkpoint(tmp_path / "run.pt", param)


def test_a_file_of_another_kind_is_no_checkpoint(tmp_path):
    path = tmp_path / "run.pt"
    rng = np.random.default_rng(0)
    for text in (b"hi", b"{}", "épée".encode(), *(rng.bytes(n) for n in range(1, 60))):
        path.write_bytes(text)
        with pytest.raises(ValueError, match="not written by save_checkpoint, or is damaged"):
            shared.load_checkpoint(path)
    for thing in ("hi", {"epoch": 1}, [1], argparse.Namespace()):
        torch.save(thing, path)
        with pytest.raises(ValueError, match="not written by save_checkpoint, or is damaged"):
            shared.load_checkpoint(path)
    with pytest.raises(FileNotFoundError):
        shared.load_checkpoint(tmp_path / "nothing.pt")


def test_classes_that_cannot_be_shared_out_are_refused():
    others = (torch.optim.AdamW, single.TransformOptimizer, torch_lora.LoRAPro, optim.muon, "Muon")
    for kind in (*others, single.LeafwiseOptimizer):
        with pytest.raises(TypeError, match="optimizer must be one of the classes"):
            shared.distributed_class(kind)


def test_arguments(group):
    param = torch.nn.Parameter(torch.ones(2, 2))
    with pytest.raises(TypeError, match="row_shards"):
        shared.Muon([param], row_shards="all")
    with pytest.raises(TypeError, match="lr_scheduler"):
        shared.SOAP([param], lr=lambda step: 0.1).step()
    with pytest.raises(ValueError, match="rank below 1"):
        shared.Muon([param]).consolidate_state_dict(to=1)
    with pytest.raises(TypeError, match="two axes"):
        shared.orthogonalize_shards(torch.ones(2, 3, 3))
    with pytest.raises(ValueError, match="axis"):
        shared.orthogonalize_shards(torch.ones(3, 3), axis=0)
