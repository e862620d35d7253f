// SPDX-License-Identifier: BSL-1.0
// Every exception type that the library throws by its own name; a failed system call throws
// std::system_error instead.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace multiprocessing {
inline namespace v0 {

/// Base of the errors that concern processes. @par Python `multiprocessing.ProcessError`
class ProcessError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
    ProcessError() : std::runtime_error("ProcessError") {}
};

/// A wait ended before what it waited for. @par Python `multiprocessing.TimeoutError`
class TimeoutError : public ProcessError {
  public:
    using ProcessError::ProcessError;
};

/// A message is larger than the buffer given for it. @par Python `multiprocessing.BufferTooShort`
class BufferTooShort : public ProcessError {
  public:
    using ProcessError::ProcessError;
    /// @param message what did not fit
    BufferTooShort(const std::string& what, std::vector<std::byte> message)
        : ProcessError(what),
          message_(std::make_shared<const std::vector<std::byte>>(std::move(message))) {}

    /// The whole message; null where the exception came from another process.
    [[nodiscard]] std::shared_ptr<const std::vector<std::byte>> message() const noexcept {
        return message_;
    }

  private:
    std::shared_ptr<const std::vector<std::byte>> message_;
};

/// The other end did not prove that it knows the key. @par Python
/// `multiprocessing.AuthenticationError`
class AuthenticationError : public ProcessError {
  public:
    using ProcessError::ProcessError;
};

/// The holder of a lock died with it; thrown once to the next owner. @par Python has no such error.
class OwnerDiedError : public ProcessError {
  public:
    using ProcessError::ProcessError;
};

/// The call was cancelled, or its pool is gone. @par Python `concurrent.futures.CancelledError`
class CancelledError : public ProcessError {
  public:
    using ProcessError::ProcessError;
};

/// The worker that executed the call died. @par Python hangs, or breaks the whole executor.
class WorkerLostError : public ProcessError {
  public:
    using ProcessError::ProcessError;
    /// @param pid the worker that died
    /// @param exitcode as Process::exitcode: the exit status, or minus the signal that ended it
    WorkerLostError(const std::string& what, pid_t pid, int exitcode)
        : ProcessError(what), pid_(pid), exitcode_(exitcode) {}

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] int exitcode() const noexcept { return exitcode_; }

  private:
    pid_t pid_ = 0;
    int exitcode_ = 0;
};

/// What an exception that was thrown in another process knows about its origin. The exception that
/// a caller catches derives from this and from its own type.
/// @note Not a std::exception: two such bases would make `catch (const std::exception&)` miss it.
class RemoteException {
  public:
    RemoteException() = default;
    RemoteException(std::string type_name, pid_t pid, std::string process_name)
        : type_name_(std::move(type_name)), process_name_(std::move(process_name)), pid_(pid) {}
    RemoteException(const RemoteException&) = default;
    RemoteException& operator=(const RemoteException&) = default;
    virtual ~RemoteException() = default;

    [[nodiscard]] virtual const char* what() const noexcept = 0;
    /// The name of the type that was thrown, as the C++ source spells it.
    [[nodiscard]] const std::string& type_name() const noexcept { return type_name_; }
    /// The process that threw it.
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] const std::string& process_name() const noexcept { return process_name_; }

  private:
    std::string type_name_;
    std::string process_name_;
    pid_t pid_ = 0;
};

/// An exception from another process whose type this process cannot build. `what()` is the original
/// text, `type_name()` the original type. @par Python `multiprocessing.managers.RemoteError`
class RemoteError : public ProcessError, public RemoteException {
  public:
    using ProcessError::ProcessError;
    RemoteError(const std::string& what, std::string type_name, pid_t pid, std::string process_name)
        : ProcessError(what), RemoteException(std::move(type_name), pid, std::move(process_name)) {}

    [[nodiscard]] const char* what() const noexcept override { return ProcessError::what(); }
};

/// A value cannot be turned into bytes. @par Python `pickle.PicklingError`
class PicklingError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Bytes cannot be turned into the value asked for. @par Python `pickle.UnpicklingError`
class UnpicklingError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A call that its object cannot serve: a bad argument, or the wrong moment. @par Python
/// `ValueError` and the `AssertionError`s of `multiprocessing.process`
class ValueError : public std::invalid_argument {
  public:
    using std::invalid_argument::invalid_argument;
};

/// The other end of a connection is closed. @par Python `EOFError`
class EOFError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Nothing to get from a queue. @par Python `queue.Empty`
class Empty : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// No room in a queue. @par Python `queue.Full`
class Full : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A barrier was reset, aborted or timed out. @par Python `threading.BrokenBarrierError`
class BrokenBarrierError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// SIGINT arrived while an InterruptGuard lived. @par Python `KeyboardInterrupt`
class KeyboardInterrupt : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace v0
}  // namespace multiprocessing
