// SPDX-License-Identifier: BSL-1.0
// Two programs on two addresses share objects: one serves, the other connects with an address and
// a key.
//
//     31_remote_manager serve   127.0.0.1 50000       on one machine
//     31_remote_manager connect 127.0.0.1 50000       on another one
//
// Without arguments it plays both: two servers, on TCP and on a Unix socket, and a client of both.
#include <multiprocessing.hpp>

#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

namespace mp = multiprocessing;

using Jobs = mp::QueueProxy<std::string>;
using Results = mp::DictProxy<std::string, int>;
const std::string secret = "correct horse battery staple";

/// Starts a server and leaves two objects where its clients find them.
mp::Manager serve(mp::connection::Address address) {
    mp::Manager manager({.address = address, .authkey = secret});
    manager.globals().set("jobs", manager.JoinableQueue<std::string>());
    manager.globals().set("results", manager.dict<std::string, int>());
    return manager;
}

/// Works off the jobs of the server at an address until an empty one comes.
void work(mp::connection::Address address) {
    const auto manager = mp::Manager::connect({.address = address, .authkey = secret});
    const auto jobs = manager.globals().get<Jobs>("jobs");
    const auto results = manager.globals().get<Results>("results");
    for (std::string word = jobs.get(); !word.empty(); word = jobs.get()) {
        results[word] = static_cast<int>(word.size());
        jobs.task_done();
    }
    jobs.task_done();
}

void give_work(const mp::Manager& manager) {
    const auto jobs = manager.globals().get<Jobs>("jobs");
    for (const char* const word : {"lorem", "ipsum", "consectetur", ""})
        jobs.put(word);
    jobs.join();
    for (const auto& [word, length] : manager.globals().get<Results>("results").copy())
        std::cout << word << ' ' << length << '\n';
}

int main(int argc, char** argv) {
    mp::freeze_support();
    if (argc == 4) {
        const mp::connection::Address address(argv[2], std::atoi(argv[3]));
        std::string_view(argv[1]) == "serve" ? give_work(serve(address)) : work(address);
        return 0;
    }
    for (const mp::connection::Address& address :
         {mp::connection::Address("127.0.0.1", 0), mp::connection::Address()}) {
        const mp::Manager server = serve(address);
        mp::Process worker(work, {server.address()});
        worker.start();
        give_work(server);
    }
    try {
        const mp::Manager server = serve({});
        const auto client = mp::Manager::connect({.address = server.address(), .authkey = "guess"});
    } catch (const mp::AuthenticationError&) {
        std::cout << "a client without the key is not let in\n";
    }
}
