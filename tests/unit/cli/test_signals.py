"""The first signal asks a run to end, the second ends the process."""

import asyncio
import os
import signal

import pytest

from declarative.cli.signals import answering, run_async

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def not_ignored():
    """The test's own process may have been started with a signal off."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    yield
    for number, old in before.items():
        signal.signal(number, old)


def test_the_result_comes_back():
    async def work(interrupt):
        return 5 if not interrupt.is_set() else 6

    assert run_async(work, announce=lambda: None, leave=os._exit) == 5


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_asks_and_says_so(number):
    told, left = [], []

    async def work(interrupt):
        os.kill(os.getpid(), number)
        await interrupt.wait()
        return "ended well"

    assert run_async(work, announce=lambda: told.append("told"), leave=left.append) == "ended well"
    assert (told, left) == (["told"], [])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_the_second_signal_leaves_even_while_the_loop_is_busy(number, code):
    left = []

    async def work(interrupt):
        os.kill(os.getpid(), signal.SIGTERM)
        await interrupt.wait()
        os.kill(os.getpid(), number)
        return tuple(left)  # the loop has not run since

    assert run_async(work, announce=lambda: None, leave=left.append) == (code,)


def test_a_signal_that_is_switched_off_stays_off():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def work(interrupt):
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0)
        return interrupt.is_set()

    assert run_async(work, announce=lambda: None, leave=os._exit) is False


@pytest.mark.parametrize("number", SIGNALS)
def test_what_was_there_before_is_put_back(number):
    def act(*_):
        return None

    signal.signal(number, act)

    async def work(interrupt):
        return None

    run_async(work, announce=lambda: None, leave=os._exit)
    assert signal.getsignal(number) is act


def test_at_a_question_an_interrupt_ends_the_command():
    with pytest.raises(KeyboardInterrupt), answering():
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_at_a_question_other_signals_end_the_command(number, code):
    with pytest.raises(SystemExit) as leaving, answering():
        os.kill(os.getpid(), number)
    assert leaving.value.code == code
