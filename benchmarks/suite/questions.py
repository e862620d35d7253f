# SPDX-License-Identifier: BSL-1.0
"""The questions of the suite: who is asked, which tables and pictures the answers become, and what
the library promises itself."""

from dataclasses import dataclass, field

from figures import show_bytes, show_count, show_length

OURS = "multiprocessing"
PYTHON = "python.py"

# What a file's name says about the contender.
LABELS = {
    OURS: "this library",
    PYTHON: "Python",
    "executor.py": "ProcessPool-Executor",
    "loky.py": "joblib",
    "futures.py": "mpi4py.futures",
    "asio": "Asio threads",
    "asio.py": "Asio",
    "async": "std::async",
    "async.py": "std::async",
    "tbb": "oneTBB",
    "tbb.py": "oneTBB",
    "openmp": "OpenMP",
    "openmp.py": "OpenMP",
    "mpi": "Open MPI",
    "zeromq": "ZeroMQ",
    "redis": "Redis",
    "boost": "Boost",
    "serial": "one thread",
    "pipes": "fork + pipe",
    "copies": "two copies",
    "socketpair": "socket pair",
    "system": "system calls",
    "empty.py": "empty program",
}
# What the machine itself needs for it.
FLOORS = ("serial", "pipes", "copies", "socketpair", "system", "empty.py")


@dataclass(frozen=True)
class Figure:
    """A row of the table, or one for each point of a curve: `{x}` stands for the point."""

    name: str
    label: str
    show_x: object = show_count
    better: str = "less"  # or "more": of an efficiency


@dataclass(frozen=True)
class Ratio:
    """A promise: our figure is at most so many times another one."""

    text: str
    ours: str
    contender: str
    theirs: str
    at_most: float
    x: float | None = None


@dataclass(frozen=True)
class Limit:
    """A promise: our figure is at most, or at least, so much in its unit."""

    text: str
    ours: str
    at_most: float | None = None
    at_least: float | None = None
    x: float | None = None


@dataclass(frozen=True)
class Plot:
    """A picture; `kind` names the function in plots.py that draws it."""

    kind: str
    name: str
    figures: tuple
    title: str
    options: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    name: str
    title: str
    text: str
    contenders: tuple
    figures: tuple
    promises: tuple = ()
    plots: tuple = ()
    own_work: tuple = ()  # contenders that do another amount of it: their times are not compared
    by_workers: bool = False  # asked again for every number of workers
    all_cpus: bool = False  # promises are about as many workers as CPUs, else about two
    rounds: int = 5


def percent_label(percentage):
    return "longest" if percentage == 100 else f"{percentage:g} %"


QUESTIONS = (
    Question(
        "tasks", "What a task costs",
        "A function `int -> int` that does nothing, so that what is measured is the way to a worker and back. "
        "*fork + pipe* is the floor: processes that read numbers from one pipe and write them to another, no more.",
        (OURS, "pipes", PYTHON, "executor.py", "loky.py", "asio", "async", "tbb", "openmp", "mpi"),
        (
            Figure("apply_async", "`apply_async` 200,000 times, then `get`: a task"),
            Figure("map_chunksize", "`map`, chunks of {x}: an item"),
            Figure("map", "`map` of a million, default chunks: an item"),
            Figure("imap", "`imap`, chunks of 1: an item"),
            Figure("apply", "`apply`, one at a time"),
            Figure("apply_latency", "  of all `apply`, {x}", percent_label),
        ),
        (
            Ratio("`apply_async` and `get` against Asio's threads", "apply_async", "asio", "apply_async", 0.5),
            Ratio("the same against Python", "apply_async", PYTHON, "apply_async", 1 / 40),
            Ratio("`map`, chunks of 1, against Python", "map_chunksize_1", PYTHON, "map_chunksize_1", 1 / 40),
            Limit("`map` of a million ints, an item, in ns", "map", at_most=10),
            Ratio("`imap` against Python", "imap", PYTHON, "imap", 1 / 20),
            Ratio("`apply` against Python", "apply", PYTHON, "apply", 1 / 20),
            Ratio("`apply` against `std::async(...).get()`", "apply", "async", "apply", 1.0),
        ),
        (
            Plot("curves", "tasks_by_chunk", ("map_chunksize",), "What an item of a map costs",
                 {"x": "items in a chunk", "y": "time an item"}),
            Plot("percentiles", "tasks_latency", ("apply_latency",), "One task there and back"),
        ),
        by_workers=True,
    ),
    Question(
        "mpi", "Tasks for other ranks",
        "The same tasks sent to the ranks of an MPI program on this machine. *Open MPI* is the floor: a loop of Boost.MPI "
        "that sends bare arrays of ints, a message for each chunk, and single calls in messages as long as the pool's. Like the "
        "pool it asks MPI to serve several threads, for which Open MPI takes locks: without that its `apply` takes 0.4 us "
        "less. This library puts several short chunks into one message.",
        (OURS, "mpi", "futures.py"),
        (
            Figure("apply_async", "`apply_async` 200,000 times, then `get`: a task"),
            Figure("map_chunksize", "`map`, chunks of {x}: an item"),
            Figure("map", "`map` of a million, default chunks: an item"),
            Figure("imap", "`imap`, chunks of 1: an item"),
            Figure("apply", "`apply`, one at a time"),
            Figure("apply_latency", "  of all `apply`, {x}", percent_label),
        ),
        (
            Ratio("`map`, chunks of 1, against bare Boost.MPI", "map_chunksize_1", "mpi", "map_chunksize_1", 1.5),
            Ratio("`map` of a million against bare Boost.MPI", "map", "mpi", "map", 1.5),
            Ratio("`apply` against bare Boost.MPI", "apply", "mpi", "apply", 1.5),
            Ratio("`map`, chunks of 1, against mpi4py.futures", "map_chunksize_1", "futures.py", "map_chunksize_1", 1 / 10),
            Ratio("`apply` against mpi4py.futures", "apply", "futures.py", "apply", 1 / 10),
        ),
        (
            Plot("curves", "mpi_by_chunk", ("map_chunksize",), "What an item of a map costs in another rank",
                 {"x": "items in a chunk", "y": "time an item"}),
        ),
        by_workers=True,
    ),
    Question(
        "scaling", "Real work on more and more cores",
        "A Mandelbrot image (an item is a row), Black-Scholes prices (an item is a block of options), and the words of real "
        "text (an item is a block of text, which goes to the worker and comes back as a map). Speed-up is against *one "
        "thread* in the same language; Python does a small part of the work, in plain Python.",
        (OURS, "serial", "pipes", PYTHON, "executor.py", "loky.py", "asio", "async", "tbb", "openmp", "mpi"),
        (
            Figure("mandelbrot", "Mandelbrot image"),
            Figure("black_scholes", "Black-Scholes prices"),
            Figure("word_count", "word count"),
        ),
        plots=(Plot("speed_up", "scaling", ("mandelbrot", "black_scholes", "word_count"),
                    "Speed-up against the number of workers"),),
        own_work=(PYTHON, "executor.py", "loky.py"), by_workers=True, rounds=3,
    ),
    Question(
        "granularity", "How long a task must be",
        "Fixed amounts of arithmetic, from 1 us to 100 ms. *Efficiency* is the time that the work alone needs on that many "
        "CPUs, as a part of the time that it took; more workers than CPUs cannot be more efficient than the CPUs are.",
        (OURS, "serial", PYTHON, "executor.py", "loky.py", "asio", "tbb", "openmp", "mpi"),
        (
            Figure("efficiency", "`map`, tasks of {x}: efficiency", show_length, "more"),
            Figure("efficiency_chunksize_1", "  chunks of 1, {x}: efficiency", show_length, "more"),
            Figure("task", "`map`, tasks of {x}: a task", show_length),
        ),
        (
            Limit("tasks of 1 ms: efficiency in %", "efficiency", at_least=95, x=1000),
            Limit("tasks of 10 us: efficiency in %", "efficiency", at_least=90, x=10),
            Ratio("tasks of 1 ms against oneTBB, time", "task", "tbb", "task", 1 / 0.97, x=1000),
            Ratio("tasks of 10 ms against oneTBB, time", "task", "tbb", "task", 1 / 0.97, x=10000),
        ),
        (
            Plot("curves", "granularity", ("efficiency",), "How long a task must be",
                 {"x": "length of a task", "x_unit": "us", "y": "efficiency", "y_unit": "%", "linear_y": True,
                  "lines": {"90 % of ideal": 90}}),
            Plot("curves", "time_per_task", ("task",), "What a task of a given length takes",
                 {"x": "length of a task", "x_unit": "us", "y": "time a task, times the workers"}),
        ),
        by_workers=True, all_cpus=True, rounds=2,
    ),
    Question(
        "uneven", "Tasks of very different lengths",
        "400 tasks of 0.2 to 60 ms, most of them short (a Pareto distribution, the same list for all), in random order and "
        "with the longest ones last. *One thread* stands for the ideal: all the work divided by the workers, or the longest "
        "task.",
        (OURS, "serial", PYTHON, "executor.py", "loky.py", "asio", "tbb", "openmp"),
        (
            Figure("makespan", "default chunks, random order"),
            Figure("makespan_chunksize_1", "chunks of 1, random order"),
            Figure("makespan_longest_last", "default chunks, longest last"),
            Figure("ideal", "ideal"),
        ),
        plots=(Plot("bars", "uneven", ("makespan", "makespan_chunksize_1", "makespan_longest_last"),
                    "From the first task's start to the last one's end"),),
        by_workers=True, rounds=2,
    ),
    Question(
        "payload", "Large arguments and results",
        "A vector of doubles (Python: bytes) goes to a worker and comes back. *Two copies*: one process copy-constructs "
        "the vector twice, the least that a way there and back can cost. *Socket pair*: a process that sends back what it "
        "reads.",
        (OURS, "copies", "socketpair", PYTHON, "executor.py", "loky.py", "mpi"),
        (
            Figure("round_trip", "{x}", show_bytes),
        ),
        (
            Ratio("64 MiB against two copies", "round_trip", "copies", "two_copies", 2.5),
            Ratio("64 MiB against Python's bytes", "round_trip", PYTHON, "round_trip", 1 / 5),
        ),
        (
            Plot("throughput", "payload", ("round_trip",), "Payloads there and back",
                 {"x": "size", "y": "both ways together", "times": 2}),
        ),
        rounds=3,
    ),
    Question(
        "lifecycle", "Starting pools, processes and their successors",
        "A pool of two up to its first result, a process that does nothing, and the time from the death of a pool's only "
        "worker to the first result of the next one; in a small parent and in parents with memory in use. *System calls*: "
        "`fork` and `waitpid`, `posix_spawn` of `/bin/true`, and a thread.",
        (OURS, "system", PYTHON, "executor.py", "loky.py"),
        (
            Figure("start_fork", "pool, fork"),
            Figure("start_fork", "  parent of {x} MiB"),
            Figure("start_spawn", "pool, spawn"),
            Figure("start_spawn", "  parent of {x} MiB"),
            Figure("start_forkserver", "pool, forkserver"),
            Figure("start_forkserver", "  parent of {x} MiB"),
            Figure("process_fork", "process, fork"),
            Figure("process_spawn", "process, spawn"),
            Figure("process_forkserver", "process, forkserver"),
            Figure("process_thread", "thread"),
            Figure("replace_fork", "new worker, fork, parent of {x} MiB"),
            Figure("replace_spawn", "new worker, spawn, parent of {x} MiB"),
            Figure("replace_forkserver", "new worker, forkserver, parent of {x} MiB"),
        ),
        (
            Ratio("`Pool(2)` to its first result, fork, against Python", "start_fork", PYTHON, "start_fork", 1 / 3),
            Ratio("the same, spawn", "start_spawn", PYTHON, "start_spawn", 1 / 5),
            Ratio("new worker under fork, parent of 1 GiB, against `fork`", "replace_fork_1GiB", OURS,
                  "plain_fork_1GiB", 1.2),
            Ratio("new worker under spawn, parent of 1 GiB against a small one", "replace_spawn_1GiB", OURS,
                  "replace_spawn_small", 1.25),
            Ratio("the same, forkserver", "replace_forkserver_1GiB", OURS, "replace_forkserver_small", 1.25),
        ),
        (
            Plot("curves", "start", ("start_fork", "start_spawn", "start_forkserver"), "A pool up to its first result",
                 {"x": "memory of the parent", "x_unit": "MiB", "y": "time", "linear_x": True,
                  "contenders": (OURS, PYTHON)}),
        ),
    ),
    Question(
        "load", "Idle and crowded pools",
        "The CPU time that an idle pool takes in a second, and 4,000 tasks of a millisecond for two workers and for eight.",
        (OURS,),
        (
            Figure("idle", "idle pool: CPU in a second"),
            Figure("busy_2_workers", "4,000 tasks of 1 ms, 2 workers"),
            Figure("busy_8_workers", "the same, 8 workers"),
        ),
        (
            Limit("idle pool, CPU in ms/s", "idle", at_most=1),
            Ratio("8 workers against 2, on tasks of 1 ms", "busy_8_workers", OURS, "busy_2_workers", 1.15),
        ),
    ),
    Question(
        "memory", "Memory",
        "Pages that several processes use count once. What one more worker takes, and how much an `imap` grows with the "
        "length of its input, read by a consumer that keeps up. *System calls*: a forked process that waits.",
        (OURS, "system", PYTHON, "executor.py"),
        (
            Figure("worker_fork", "a worker, fork"),
            Figure("worker_spawn", "a worker, spawn"),
            Figure("worker_forkserver", "a worker, forkserver"),
            Figure("worker_thread", "a thread"),
            Figure("imap_memory", "growth during an `imap` of {x} items"),
            Figure("imap_endless", "  an item of ten million"),
        ),
        (
            Limit("`imap` over ten million items, growth in MiB", "imap_memory_growth", at_most=16),
        ),
        (
            Plot("curves", "imap_memory", ("imap_memory",), "Memory of an imap",
                 {"x": "items", "y": "growth", "y_unit": "MiB", "linear_y": True}),
        ),
        rounds=3,
    ),
    Question(
        "queues", "Queues",
        "One process puts, another one gets. *fork + pipe*: messages with their lengths before them in a bare pipe. *Boost*: "
        "the bare `message_queue` of Boost.Interprocess.",
        (OURS, "pipes", PYTHON, "zeromq", "boost"),
        (
            Figure("unlimited", "integers, no limit"),
            Figure("bounded", "integers, at most 100"),
            Figure("item", "items of {x}", show_bytes),
            Figure("producers", "{x} producers and as many consumers"),
            Figure("latency", "there and back, {x}", percent_label),
        ),
        (
            Ratio("integers against Python", "unlimited", PYTHON, "unlimited", 1 / 40),
            Limit("an integer, in ns", "unlimited", at_most=250),
            Limit("an integer, at most 100 in the queue, in ns", "bounded", at_most=1000),
            Ratio("16 MiB items against Python", "large", PYTHON, "large", 1 / 10),
        ),
        (
            Plot("throughput", "queues", ("item",), "Items through a queue", {"x": "size", "y": "one way"}),
            Plot("percentiles", "queues_latency", ("latency",), "There and back through two queues"),
        ),
    ),
    Question(
        "connection", "Pipes and connections",
        "Messages between two processes. *Socket pair*: the bare system calls on sockets of the same kind.",
        (OURS, "socketpair", PYTHON, "zeromq"),
        (
            Figure("ping_pong_16", "16 bytes there and back"),
            Figure("ping_pong_4KiB", "4 KiB there and back"),
            Figure("ping_pong_1MiB", "1 MiB there and back"),
            Figure("ping_pong_int", "an `int`, typed, there and back"),
            Figure("throughput", "one way, {x}", show_bytes),
            Figure("latency", "`Pipe`, there and back, {x}", percent_label),
            Figure("listener_latency", "`Listener`, there and back, {x}", percent_label),
            Figure("connect", "`Client`, `accept`, close; with a key"),
        ),
        (
            Ratio("16 bytes there and back against the socket pair", "ping_pong_16", "socketpair", "ping_pong_16", 1.2),
            Ratio("4 KiB there and back", "ping_pong_4KiB", "socketpair", "ping_pong_4KiB", 1.2),
            Ratio("stream of 16 bytes", "stream_16", "socketpair", "stream_16", 1.5),
            Ratio("stream of 4 KiB", "stream_4KiB", "socketpair", "stream_4KiB", 1.5),
        ),
        (
            Plot("throughput", "connection", ("throughput",), "Messages through a pipe", {"x": "size", "y": "one way"}),
            Plot("percentiles", "connection_latency", ("latency", "listener_latency"), "There and back"),
        ),
    ),
    Question(
        "locks", "Locks and shared values",
        "Locks that nobody else wants, and counters that several processes increment under one lock. *System calls*: bare "
        "mutexes of the C library in shared memory.",
        (OURS, "system", PYTHON),
        (
            Figure("uncontended", "`Lock`: acquire and release"),
            Figure("uncontended_rlock", "`RLock`"),
            Figure("semaphore", "`Semaphore`"),
            Figure("event_set_clear", "`Event`: set and clear"),
            Figure("increments", "2 processes, an increment of a `Value`"),
            Figure("contention", "{x} processes: an increment"),
            Figure("contention_plain", "  a mutex that does not survive its owner, {x} processes"),
            Figure("atomic", "  atomic, {x} processes"),
            Figure("wake_up", "`Event.set` until another process is awake"),
            Figure("condition_round_trip", "`Condition`: there and back"),
            Figure("barrier", "`Barrier` of {x}: a round"),
        ),
        (
            Limit("acquire and release, alone, in ns", "uncontended", at_most=40),
            Ratio("the same against a bare robust mutex", "uncontended", OURS, "robust_mutex", 2.0),
            Ratio("2 processes, an increment, against Python", "increments", PYTHON, "increments", 1 / 20),
            Ratio("`Event.set` to wake-up against a bare futex", "wake_up", OURS, "futex_wake_up", 1.2),
        ),
        (
            Plot("curves", "contention", ("contention",), "Processes that increment one counter",
                 {"x": "processes", "y": "time an increment", "linear_x": True}),
        ),
    ),
    Question(
        "managers", "Managers",
        "A dictionary in a server process, and in a Redis server on a Unix socket. *System calls*: 64 bytes to a process "
        "that sends them back.",
        (OURS, "system", PYTHON, "redis"),
        (
            Figure("set", "`d[k] = v`"),
            Figure("get", "`v = d[k]`"),
            Figure("set_clients", "`d[k] = v`, {x} clients: a call"),
            Figure("increment", "an increment, atomic"),
            Figure("update", "`update` of 10,000: a pair"),
            Figure("queue", "`put` and `get`"),
            Figure("latency", "`d[k] = v`, {x}", percent_label),
        ),
        (
            Ratio("`d[k] = v` against Python", "set", PYTHON, "set", 1 / 3),
            Ratio("4 clients against one Python client", "set_4_clients", PYTHON, "set", 1 / 3),
            Ratio("`update`, a pair, against Python's `d[k] = v`", "update", PYTHON, "set", 1 / 50),
        ),
        (
            Plot("curves", "managers", ("set_clients",), "Several clients of one manager",
                 {"x": "clients", "y": "time a call", "linear_x": True}),
            Plot("percentiles", "managers_latency", ("latency",), "d[k] = v"),
        ),
    ),
    Question(
        "compile", "Compile time and size",
        "Minimal programs, each with its include and one call, compiled with -O2; the binary is stripped.",
        ("multiprocessing.py", "empty.py", "asio.py", "async.py", "tbb.py", "openmp.py"),
        (
            Figure("compile_pool", "a pool"),
            Figure("compile_all", "everything, and a pool"),
            Figure("compile_process", "a process"),
            Figure("compile_queues", "a queue"),
            Figure("compile_serialization", "`dumps` and `loads`"),
            Figure("size_pool", "binary with a pool"),
            Figure("size_all", "binary with everything, and a pool"),
        ),
        rounds=1,
    ),
    Question(
        "micro", "Inside one process",
        "What single calls cost where nobody waits. *Boost*: archives of Boost.Serialization over a string stream.",
        (OURS, "system", "boost", PYTHON),
        (),  # every figure that is found, by its name
        rounds=1,
    ),
)
