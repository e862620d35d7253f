# SPDX-License-Identifier: BSL-1.0
# apply waits for the result of one call, apply_async gives a promise of it.
import multiprocessing as mp

context = mp.get_context("fork")  # the workers inherit the event: it cannot be an argument
signal = context.Event()


def power(base, exponent):
    return base ** exponent


def wait_for_signal():
    signal.wait()
    return "the signal came"


def root(x):
    raise ValueError(f"no root of {x}")


def lower(truth):
    return str(truth).lower()


if __name__ == "__main__":
    with context.Pool(2) as pool:
        print("apply:", pool.apply(power, (2, 10)))

        results = [pool.apply_async(power, (2, exponent)) for exponent in range(8)]
        print(*(result.get() for result in results))

        answer = pool.apply_async(wait_for_signal)
        print("ready:", lower(answer.ready()))
        try:
            answer.get(0.01)
        except mp.TimeoutError:
            print("not within 10 ms")
        signal.set()
        print(f"{answer.get()}, ready: {lower(answer.ready())}")

        bad = pool.apply_async(
            root, (-1,), error_callback=lambda error: print("the error callback is called"))
        try:
            bad.get()
        except ValueError as error:
            print(f"{error}, successful: {lower(bad.successful())}")
