// SPDX-License-Identifier: BSL-1.0
// The index of the library: every public type, declared without Boost or any other header.
//
//   errors         ProcessError, of which derive TimeoutError, BufferTooShort, AuthenticationError,
//                  OwnerDiedError, CancelledError, WorkerLostError and RemoteError;
//                  PicklingError, UnpicklingError, ValueError, EOFError, Empty, Full,
//                  BrokenBarrierError, KeyboardInterrupt; RemoteException
//   core           Count, Logger, LogLevel, Timeout
//   serialization  arguments<A...>, partial_function<F, Bound...>; the concept Picklable
//   synchronize    Lock, RLock, AnyLock, Semaphore, BoundedSemaphore, Condition, Event, Barrier
//   shared         Value<T>, Array<T>, RawValue<T>, RawArray<T>; shared_memory::SharedMemory,
//                  ShareableList, ShareableValue, SharedMemoryOptions
//   process        Process, ProcessOptions, ProcessInfo, StartMethod, InterruptGuard
//   connection     Connection; connection::Listener, connection::Address, their options
//                  connection::ListenerOptions and ClientOptions; reduction::DupFd
//   queues         Queue<T>, JoinableQueue<T>, SimpleQueue<T>
//   pool           Pool<F>, ThreadPool, PoolOptions, Initializer, Context;
//                  AsyncResult<T>, IMapIterator<R>; ApplyOptions, ApplyAsyncOptions<R>,
//                  MapOptions, MapAsyncOptions<List>, ImapOptions
//   managers       Manager, SyncManager, BaseManager, ManagerOptions; managers::Server;
//                  DictProxy<K, V>, ListProxy<T>, ArrayProxy<T>, ValueProxy<T>, NamespaceProxy,
//                  QueueProxy<T>, InstanceProxy<Class>; LockProxy, RLockProxy, SemaphoreProxy,
//                  EventProxy, ConditionProxy, BarrierProxy
//   mpi            mpi::Pool; not in multiprocessing.hpp
//
// Pool is Pool<void> where only this header is seen: the default argument stands with the class.
#pragma once

namespace multiprocessing {
inline namespace v0 {

// core/errors.hpp
class ProcessError;
class TimeoutError;
class BufferTooShort;
class AuthenticationError;
class OwnerDiedError;
class CancelledError;
class WorkerLostError;
class RemoteException;
class RemoteError;
class PicklingError;
class UnpicklingError;
class ValueError;
class EOFError;
class Empty;
class Full;
class BrokenBarrierError;
class KeyboardInterrupt;

// core/count.hpp, core/logging.hpp, core/timeout.hpp
class Count;
enum class LogLevel : int;
class Logger;
class Timeout;

// serialization/arguments.hpp, serialization/partial.hpp
template <class... A>
class arguments;
template <class F, class... Bound>
class partial_function;

// shared.hpp
namespace shared_memory {
struct SharedMemoryOptions;
class SharedMemory;
class ShareableValue;
class ShareableList;
}  // namespace shared_memory

// synchronize.hpp
class Lock;
class RLock;
class AnyLock;
class Semaphore;
class BoundedSemaphore;
class Condition;
class Event;
class Barrier;

// shared.hpp
template <class T>
class Value;
template <class T>
class RawValue;
template <class T>
class Array;
template <class T>
class RawArray;

// process.hpp
enum class StartMethod : int;
struct ProcessOptions;
class Process;
class ProcessInfo;
class InterruptGuard;

// connection.hpp
class Connection;
namespace connection {
class Address;
class Listener;
struct ListenerOptions;
struct ClientOptions;
}  // namespace connection
namespace reduction {
class DupFd;
}  // namespace reduction

// queues.hpp
template <class T>
class Queue;
template <class T>
class JoinableQueue;
template <class T>
class SimpleQueue;

// pool.hpp
class Initializer;
struct PoolOptions;
struct ApplyOptions;
template <class R>
struct ApplyAsyncOptions;
struct MapOptions;
template <class List>
struct MapAsyncOptions;
struct ImapOptions;
template <class T>
class AsyncResult;
template <class R>
class IMapIterator;
template <class F>
class Pool;
template <>
class Pool<void>;
class ThreadPool;
class Context;

// managers.hpp
struct ManagerOptions;
class BaseManager;
class SyncManager;
class Manager;
namespace managers {
class Server;
}  // namespace managers
template <class K, class V>
class DictProxy;
template <class T>
class ListProxy;
template <class T>
class ArrayProxy;
template <class T>
class ValueProxy;
class NamespaceProxy;
template <class T>
class QueueProxy;
template <class Class>
class InstanceProxy;
class LockProxy;
class RLockProxy;
class SemaphoreProxy;
class EventProxy;
class ConditionProxy;
class BarrierProxy;

// mpi.hpp
namespace mpi {
class Pool;
}  // namespace mpi

}  // namespace v0
}  // namespace multiprocessing
