from mcp_server.backends.remote.origin import Origin
from mcp_server.domain.records import Issue, Machine, Person, Project
from mcp_server.errors import InternalError
from tests.support.memory_system import MemoryCollection, memory_system

SYSTEM = memory_system()


def test_before_anything_was_read_it_is_the_system():
    assert Origin("MES").told() == "MES"


def test_what_only_the_companion_store_has_does_not_come_from_the_system():
    origin = Origin("MES")
    origin.note(Project, None)
    origin.note(Person, None)
    origin.note(Project, None)
    assert origin.told() == "companion store (project, person)"


def test_what_the_system_holds_in_part_comes_from_both():
    origin = Origin("MES")
    origin.note(Machine, SYSTEM.collections[Machine])
    origin.note(Project, None)
    assert origin.told() == "MES + companion store (project; details of machine)"

    origin = Origin("MES")
    origin.note(Issue, SYSTEM.collections[Issue])
    assert origin.told() == "MES + companion store (details of issue)"


def test_a_record_that_the_system_was_never_given_is_said_to_be_only_here():
    origin = Origin("MES")
    origin.note(Issue, SYSTEM.collections[Issue])
    origin.note_only_here(Issue)
    assert origin.told() == "MES + companion store (details of issue; records only here: issue)"


def test_what_the_system_holds_as_a_whole_comes_from_it_alone():
    every = SYSTEM.collections[Issue].fields[0]
    fields = [type(every)(name, name) for name in Issue.model_fields if name != "id"]
    origin = Origin("MES")
    origin.note(Issue, MemoryCollection(Issue, fields, client_ids=True, changes=frozenset()))
    assert origin.told() == "MES"


def test_what_is_not_in_order_is_told_once_and_not_without_end():
    origin = Origin("MES")
    origin.note(Issue, SYSTEM.collections[Issue])
    for number in (1, 1, 2, 3, 4, 5, 6, 7):
        origin.leave_out(InternalError(f"Fault {number}."))
    origin.is_double(Issue, "ISS-0001", "17", "23")
    assert origin.faults[-1] == "It holds issue ISS-0001 twice, as 17 and as 23; 17 is shown."
    assert origin.told().endswith("- Fault 1. - Fault 2. - Fault 3. - Fault 4. - Fault 5. And 3 more.")
