# SPDX-License-Identifier: BSL-1.0
"""Recipe of Conan 2 for the tree in which it lies: conan create cmake/conan"""
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load

TREE = os.path.join("..", "..")


class Multiprocessing(ConanFile):
    name = "multiprocessing"
    description = "Python's multiprocessing for C++20: processes, pools, and what they share"
    license = "BSL-1.0"
    topics = ("multiprocessing", "process-pool", "shared-memory", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"with_openssl": [True, False]}
    default_options = {"with_openssl": True}
    no_copy_source = True

    def set_version(self):
        config = load(self, os.path.join(self.recipe_folder, TREE, "include", "multiprocessing",
                                         "core", "config.hpp"))
        self.version = ".".join(re.findall(r"#define MULTIPROCESSING_VERSION_\w+ +(\d+)", config))

    def export_sources(self):
        for part in ("include/*", "LICENSE"):
            copy(self, part, os.path.join(self.recipe_folder, TREE), self.export_sources_folder)

    def requirements(self):
        self.requires("boost/[>=1.81 <2]", options={"without_serialization": False})
        if self.options.with_openssl:  # for connections with keys only
            self.requires("openssl/[>=3 <4]")

    def validate(self):
        check_min_cppstd(self, 20)

    def package_id(self):
        self.info.clear()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        copy(self, "*.hpp", os.path.join(self.source_folder, "include"),
             os.path.join(self.package_folder, "include"))

    def package_info(self):
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        self.cpp_info.system_libs = ["pthread"]
        self.cpp_info.set_property("cmake_file_name", "multiprocessing")
        self.cpp_info.set_property("cmake_target_name", "multiprocessing::multiprocessing")
        self.cpp_info.set_property("pkg_config_name", "multiprocessing")
        self.cpp_info.requires = ["boost::headers", "boost::serialization"]
        if self.options.with_openssl:
            self.cpp_info.requires.append("openssl::crypto")
