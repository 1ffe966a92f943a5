// SPDX-License-Identifier: BSL-1.0
// Targets in shared libraries, and which file a fresh image of the program comes from.
#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <multiprocessing/context.hpp>

#include "environment.hpp"
#include "process_test.hpp"

extern "C" void exit_with_linked_answer();

namespace multiprocessing::test {
namespace {

using std::chrono::seconds;
using Function = void (*)();
namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string name = fs::temp_directory_path() / "multiprocessing-test-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder");
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { fs::remove_all(path_); }
  [[nodiscard]] fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

Function load(const fs::path& plugin) {
  void* module = ::dlopen(plugin.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) throw std::runtime_error(::dlerror());
  return reinterpret_cast<Function>(::dlsym(module, "exit_with_answer"));
}

class ModuleTest : public ProcessTest, public testing::WithParamInterface<std::string> {
 protected:
  int run(Function function) {
    Process process = get_context(GetParam()).Process(function);
    process.start();
    return process.join(seconds(30)) ? process.exitcode().value() : -1000;
  }
  [[nodiscard]] std::vector<std::string> method() const { return {"METHOD=" + GetParam()}; }
};

INSTANTIATE_TEST_SUITE_P(All, ModuleTest, testing::Values("fork", "spawn", "forkserver"),
                         [](const auto& each) { return each.param; });

TEST_P(ModuleTest, AFunctionOfALinkedSharedLibraryIsATarget) {
  EXPECT_EQ(run(exit_with_linked_answer), 41);
}

TEST_P(ModuleTest, AFunctionOfALibraryThatWasLoadedLaterIsATarget) {
  EXPECT_EQ(run(load(PLUGIN)), 42);
  EXPECT_EQ(run(load(PLUGIN_WITHOUT_ID)), 44);
}

TEST_P(ModuleTest, ALibraryLoadedByARelativePathIsFoundFromAnotherDirectory) {
  const Captured captured = capture([&] {
    fs::current_path(fs::path(PLUGIN).parent_path());
    const Function function = load("./" + fs::path(PLUGIN).filename().string());
    fs::current_path("/");
    return run(function);
  });
  EXPECT_EQ(captured.code, 42) << captured.output;
}

class FreshModuleTest : public ModuleTest {
 protected:
  // A target of `plugin`, whose file is another one by the time that the child looks for it.
  Captured run_replaced(const fs::path& plugin, const fs::path& other) {
    return capture([&] {
      const Folder folder;
      const fs::path path = folder / "plugin.so";
      fs::copy_file(plugin, path);
      const Function function = load(path);
      fs::remove(path);
      if (!other.empty()) fs::copy_file(other, path);
      return run(function);
    });
  }
};

INSTANTIATE_TEST_SUITE_P(Both, FreshModuleTest, testing::Values("spawn", "forkserver"),
                         [](const auto& each) { return each.param; });

TEST_P(FreshModuleTest, AReplacedLibraryIsAnErrorAndNothingOfItIsCalled) {
  const Captured by_id = run_replaced(PLUGIN, OTHER_PLUGIN);
  EXPECT_EQ(by_id.code, 1);
  EXPECT_THAT(by_id.output, testing::HasSubstr("plugin.so is another build here"));
  const Captured by_code = run_replaced(PLUGIN_WITHOUT_ID, OTHER_PLUGIN_WITHOUT_ID);
  EXPECT_EQ(by_code.code, 1);
  EXPECT_THAT(by_code.output, testing::HasSubstr("plugin.so differs from the parent's"));
}

TEST_P(FreshModuleTest, ALibraryThatIsGoneIsAnErrorThatNamesIt) {
  const Captured captured = run_replaced(PLUGIN, {});
  EXPECT_EQ(captured.code, 1);
  EXPECT_THAT(captured.output, testing::ContainsRegex("cannot load .*plugin.so"));
}

// In a copy of this program, which MODE then removes or replaces.
FRESH_SCENARIO(program_changed) {
  const fs::path program = fs::read_symlink("/proc/self/exe");
  fs::remove(program);
  if (std::getenv("REPLACED") != nullptr) fs::copy_file("/bin/false", program);
  Process process = get_context(test::variable("METHOD")).Process([] { exit(6); });
  process.start();
  return process.join(seconds(30)) ? process.exitcode().value() : 2;
}

TEST_P(FreshModuleTest, AProgramWhoseFileIsRemovedOrReplacedStartsItselfAllTheSame) {
  for (const char* entry : {"REMOVED=1", "REPLACED=1"}) {
    const Captured captured = capture([&] {
      const Folder folder;
      const fs::path program = folder / "program";
      fs::copy_file("/proc/self/exe", program);
      auto environment = method();
      environment.emplace_back(entry);
      return ::test::run_fresh("program_changed", environment, program);
    });
    EXPECT_EQ(captured.code, 6) << entry << captured.output;
  }
}

TEST_P(FreshModuleTest, AProgramThatFreshImagesWouldRunAnewIsToldAndStartsNothing) {
  const Captured captured = capture([&] {
    ::execl(PROGRAM_WITHOUT_HOOK, "program", GetParam().c_str(), nullptr);
    return 127;
  });
  EXPECT_EQ(captured.code, 1);
  EXPECT_EQ(captured.output,
            "in main\nProcess-1 cannot be started by spawn or forkserver: this program would run "
            "its main a second time; call multiprocessing::freeze_support(argc, argv) first in "
            "main\n");
}

TEST_P(FreshModuleTest, AProgramThatCallsFreezeSupportFirstNeedsNoHeaderOfTheLibrary) {
  const Captured captured = capture([&] {
    ::execl(PROGRAM_WITHOUT_HOOK, "program", GetParam().c_str(), "freeze_support", nullptr);
    return 127;
  });
  EXPECT_EQ(captured.code, 9);
  EXPECT_EQ(captured.output, "in main\n");
}

}  // namespace
}  // namespace multiprocessing::test
