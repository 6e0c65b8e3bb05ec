"""What a file is, by the names of its columns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.errors import LoadError, SettingsError
from flows.exposures_columns import KEY_ROLES, PAIRS, SUMMARIES, SUMMARY_ROLES, UNIT_ROLES, UNITS, normal, recognise
from tests.models.invented import QUICK


def test_names_are_compared_as_people_write_them() -> None:
    """Upper case, spaces, dashes and camelCase make no difference."""
    assert {normal(name) for name in ("Visitor ID", "visitorId", "visitor-id", " VISITOR_ID ")} == {"visitor_id"}


@pytest.mark.parametrize("role", [*KEY_ROLES, *UNIT_ROLES])
def test_every_alias_of_a_unit_file_is_known(role: str) -> None:
    """Each documented name of a role stands for it beside plain names of the others."""
    for alias in {**KEY_ROLES, **UNIT_ROLES}[role]:
        others = [name for name in ("unit_id", "variant") if name != role]
        layout = recognise([alias, *others, "spent"], {})
        assert layout.kind == UNITS and layout.columns[role] == alias


@pytest.mark.parametrize("role", [*KEY_ROLES, *SUMMARY_ROLES])
def test_every_alias_of_a_summary_is_known(role: str) -> None:
    """Each documented name of a role stands for it in a file that has a variant and n."""
    for alias in {**KEY_ROLES, **SUMMARY_ROLES}[role]:
        others = [name for name in ("variant", "n") if name != role]
        layout = recognise([alias, *others], {})
        assert layout.kind == SUMMARIES and layout.columns[role] == alias


def test_real_sets_are_known() -> None:
    """The columns of both real sets have their roles without being told."""
    headlines = recognise(["test_id", "arm", "impressions", "clicks"], {})
    assert headlines.kind == SUMMARIES
    assert headlines.columns == {"experiment_id": "test_id", "variant": "arm", "n": "impressions", "successes": "clicks"}
    names = ["experiment_id", "variant_id", "metric_id", "time_since_start"]
    figures = [f"{figure}_{arm}" for figure in ("count", "mean", "variance") for arm in "ct"]
    shop = recognise([*names, *figures], {})
    assert shop.kind == PAIRS and shop.columns["n:control"] == "count_c" and shop.columns["var_num:treatment"] == "variance_t"


def test_the_first_name_counts_and_what_is_told_counts_first() -> None:
    """Of several columns for a role the first of the list counts; --columns goes before them all."""
    assert recognise(["user_id", "unit_id", "arm"], {}).columns["unit_id"] == "unit_id"
    told = recognise(["user_id", "unit_id", "arm", "bucket"], {"unit_id": "user_id", "variant": "bucket"})
    assert (told.columns["unit_id"], told.columns["variant"]) == ("user_id", "bucket")


def test_what_is_no_file_of_exposures() -> None:
    """A role or column that is not there, and a file without units or counts, are refused by name."""
    for names, given_roles, words in ((["a"], {"unit_id": "b"}, "'b'"), (["a"], {"owner": "a"}, "'owner'")):
        with pytest.raises(SettingsError, match=words):
            recognise(names, given_roles)
    for names, words in ((["unit_id", "spent"], "variant"), (["variant", "spent"], "unit_id"), ([], "variant")):
        with pytest.raises(LoadError, match=words):
            recognise(names, {})


@QUICK
@given(st.lists(st.text(max_size=12), unique=True, max_size=8))
def test_names_of_any_kind_are_no_failure(names: list[str]) -> None:
    """Whatever the columns are called, a layout of columns that are there comes back, or a sentence."""
    try:
        layout = recognise(["unit_id", "variant", *names], {})
    except LoadError:
        return
    assert set(layout.columns.values()) <= {"unit_id", "variant", *names}
