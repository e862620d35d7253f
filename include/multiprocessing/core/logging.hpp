// SPDX-License-Identifier: BSL-1.0
// The library's logger: silent below warnings until it is told to speak, one line a message.
#pragma once

#include <atomic>
#include <cstdio>
#include <string>
#include <string_view>

namespace multiprocessing {
inline namespace v0 {

/// How much a message matters, as a number that grows with it. @par Python the levels of `logging`
/// and the two of `multiprocessing.util`
enum class LogLevel {
    subdebug = 5,
    debug = 10,
    info = 20,
    subwarning = 25,
    warning = 30,
    error = 40
};

/// @returns the name as Python spells it, "INFO"; "Level 12" for a value without a name
[[nodiscard]] inline std::string to_string(LogLevel level) {
    switch (level) {
        case LogLevel::subdebug:
            return "SUBDEBUG";
        case LogLevel::debug:
            return "DEBUG";
        case LogLevel::info:
            return "INFO";
        case LogLevel::subwarning:
            return "SUBWARNING";
        case LogLevel::warning:
            return "WARNING";
        case LogLevel::error:
            return "ERROR";
    }
    return "Level " + std::to_string(static_cast<int>(level));
}

namespace detail {

/// Supplies the name of the calling process. The floor that knows processes sets it; without it
/// every process is the main one.
inline std::atomic<std::string (*)()> log_process_name{nullptr};

/// What the logger of one process was told, for one that does not inherit its memory.
struct log_settings {
    LogLevel level = LogLevel::warning;
    bool to_stderr = false;

    static log_settings of_this_process() noexcept;
    void apply() const noexcept;
};

}  // namespace detail

/// Writes messages of the library, and of programs that like to, to standard error. There is one
/// in each process; `get_logger()` returns it.
/// @note Any thread may call any member at any time. A line is written in one piece. A child begins
///     with the level and the handler that its parent had when it started it, whatever the start
///     method.
/// @par Python `logging.Logger`; handlers other than standard error do not exist.
class Logger {
  public:
    Logger(const Logger&) = delete;
    Logger& operator=(const Logger&) = delete;

    /// Drops messages below this level from now on.
    void set_level(LogLevel level) noexcept { level_ = level; }
    /// The same, as Python spells it.
    void setLevel(LogLevel level) noexcept { set_level(level); }

    /// @returns the level set last; LogLevel::warning if none was
    [[nodiscard]] LogLevel getEffectiveLevel() const noexcept { return level_; }

    [[nodiscard]] bool isEnabledFor(LogLevel level) const noexcept {
        return level >= getEffectiveLevel();
    }

    /// Writes `[LEVEL/ProcessName] message` if the level suffices.
    /// @note Before `log_to_stderr()` only warnings and errors are written, as the bare message.
    ///     A message that cannot be put together for lack of memory is written bare.
    void log(LogLevel level, std::string_view message) noexcept {
        if (!isEnabledFor(level))
            return;
        const bool complete = to_stderr_;
        if (!complete && level < LogLevel::warning)
            return;
        try {
            std::string line;
            if (complete)
                line = "[" + to_string(level) + "/" + process_name() + "] ";
            line.append(message);
            line += '\n';
            write(line);
        } catch (...) {
            write(message);
        }
    }

    void debug(std::string_view message) noexcept { log(LogLevel::debug, message); }
    void info(std::string_view message) noexcept { log(LogLevel::info, message); }
    void warning(std::string_view message) noexcept { log(LogLevel::warning, message); }
    void error(std::string_view message) noexcept { log(LogLevel::error, message); }

  private:
    friend Logger& get_logger();
    friend Logger& log_to_stderr();
    friend struct detail::log_settings;

    Logger() = default;

    static std::string process_name() {
        const auto name = detail::log_process_name.load();
        return name != nullptr ? name() : "MainProcess";
    }
    // standard error has no buffer, so this is one system call
    static void write(std::string_view text) noexcept {
        std::fwrite(text.data(), 1, text.size(), stderr);
    }

    std::atomic<LogLevel> level_{LogLevel::warning};
    std::atomic<bool> to_stderr_{false};
};

/// Returns the logger of this process. @par Python `multiprocessing.get_logger`
inline Logger& get_logger() {
    static auto& logger = *new Logger;  // exit handlers still use it
    return logger;
}

namespace detail {

inline log_settings log_settings::of_this_process() noexcept {
    const Logger& logger = get_logger();
    return {logger.level_, logger.to_stderr_};
}
inline void log_settings::apply() const noexcept {
    Logger& logger = get_logger();
    logger.level_ = level;
    logger.to_stderr_ = to_stderr;
}

}  // namespace detail

/// Has the logger write everything that its level admits to standard error, from now on.
/// @returns the logger
/// @par Python `multiprocessing.log_to_stderr`; a second call there writes every line twice.
inline Logger& log_to_stderr() {
    Logger& logger = get_logger();
    logger.to_stderr_ = true;
    return logger;
}

/// Has the logger write messages from this level on to standard error.
/// @returns the logger
inline Logger& log_to_stderr(LogLevel level) {
    Logger& logger = log_to_stderr();
    logger.set_level(level);
    return logger;
}

}  // namespace v0
}  // namespace multiprocessing
