// tests/fetch_test.cpp: datasets/fetch.sh on a manifest of local files (file:// addresses): download, verify, refuse.
#include "support/data_files.hpp"

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <sys/wait.h>

using namespace auxo_test;

namespace
{

struct Ran {
    int code;
    std::string output; // of both streams
};

Ran run(const std::string &command)
{
    FILE *pipe = popen((command + " 2>&1").c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::string output;
    std::array<char, 4096> buffer;
    while (size_t count = fread(buffer.data(), 1, buffer.size(), pipe))
        output.append(buffer.data(), count);
    int result = pclose(pipe);
    return {WIFEXITED(result) ? WEXITSTATUS(result) : -1, output};
}

bool has_tools()
{
    if (run("command -v curl && command -v sha256sum && command -v tar").code == 0)
        return true;
    WARN("skipped: curl, sha256sum and tar are needed");
    return false;
}

std::string sum_of(const std::string &path)
{
    return run("sha256sum " + path).output.substr(0, 64);
}

std::string text_of(const std::string &path)
{
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

// A manifest with one set of one plain file, one of an archive with two members, and one that must be made by hand.
class Source
{
  public:
    Source()
    {
        write_file(folder.file("home/a.csv"), "x,y\n1,2\n");
        write_file(folder.file("home/in/b.bin"), std::string(5000, 'b'));
        write_file(folder.file("home/in/c.bin"), "c");
        REQUIRE(run("cd " + folder.file("home") + " && tar -czf both.tar.gz in").code == 0);
        write_manifest(sum_of(folder.file("home/a.csv")));
    }
    void write_manifest(const std::string &plain_sum) const
    {
        const std::string home = "file://" + folder.file("home");
        write_file(folder.file("manifest.txt"),
                   "alias other plain\nset plain\nfolder one\nlicence free\nfile " + plain_sum + " 8 a.csv " + home +
                       "/missing.csv " + home + "/a.csv\n\nset packed\nfolder two\narchive " +
                       sum_of(folder.file("home/both.tar.gz")) + " 1 both.tar.gz " + home + "/both.tar.gz\nmember " +
                       sum_of(folder.file("home/in/b.bin")) + " 5000 b.bin in/b.bin\nmember " +
                       sum_of(folder.file("home/in/c.bin")) + " 1 c.bin in/c.bin\n\nset manual\nfolder three\nfile " +
                       std::string(64, '0') + " 1 d.csv -\nmanual Convert it yourself.\n");
    }
    Ran fetch(const std::string &arguments) const
    {
        return run("sh " AUXO_SOURCE_DIR "/datasets/fetch.sh --manifest " + folder.file("manifest.txt") +
                   " --data-dir " + folder.file("data") + " " + arguments);
    }
    bool exists(const std::string &name) const
    {
        return std::filesystem::exists(folder.file(name));
    }
    TempFolder folder;
};

void check_contains(const std::string &text, const std::string &part)
{
    CHECK_THAT(text, Catch::Matchers::Contains(part));
}

} // namespace

TEST_CASE("fetch.sh does nothing without a name, and refuses unknown ones")
{
    Source source;
    CHECK(source.fetch("").code == 2);
    Ran unknown = source.fetch("nothing");
    CHECK(unknown.code == 2);
    check_contains(unknown.output, "no data set named 'nothing'");
    CHECK(source.fetch("--wrong plain").code == 2);
    CHECK_FALSE(source.exists("data"));
    CHECK(source.fetch("--list").output == "other\nplain\npacked\nmanual\n");
}

TEST_CASE("fetch.sh downloads, tries the next address, verifies, and leaves right files alone")
{
    if (!has_tools())
        return;
    Source source;
    Ran first = source.fetch("plain");
    INFO(first.output);
    CHECK(first.code == 0);
    check_contains(first.output, "licence: free");
    CHECK(text_of(source.folder.file("data/one/a.csv")) == "x,y\n1,2\n");
    CHECK_FALSE(source.exists("data/one/a.csv.part"));
    REQUIRE(std::filesystem::remove(source.folder.file("home/a.csv")));
    Ran again = source.fetch("other");
    CHECK(again.code == 0);
    check_contains(again.output, "a.csv: right");
    CHECK(source.fetch("--verify plain").code == 0);
    // A packed copy counts by what is in it.
    REQUIRE(run("gzip " + source.folder.file("data/one/a.csv")).code == 0);
    CHECK(source.fetch("--verify plain").code == 0);
}

TEST_CASE("fetch.sh does not keep a file whose sum is wrong, and replaces a damaged one")
{
    if (!has_tools())
        return;
    Source source;
    source.write_manifest(std::string(64, 'a'));
    Ran wrong = source.fetch("plain");
    CHECK(wrong.code == 1);
    check_contains(wrong.output, "expected " + std::string(64, 'a') + "; not kept");
    CHECK_FALSE(source.exists("data/one/a.csv"));
    CHECK_FALSE(source.exists("data/one/a.csv.part"));
    source.write_manifest(sum_of(source.folder.file("home/a.csv")));
    write_file(source.folder.file("data/one/a.csv"), "damaged");
    CHECK(source.fetch("--verify plain").code == 1);
    CHECK(source.fetch("plain").code == 0);
    CHECK(text_of(source.folder.file("data/one/a.csv")) == "x,y\n1,2\n");
}

TEST_CASE("fetch.sh resumes a download that broke off")
{
    if (!has_tools())
        return;
    Source source;
    write_file(source.folder.file("data/one/a.csv.part"), "x,y\n");
    Ran resumed = source.fetch("plain");
    INFO(resumed.output);
    CHECK(resumed.code == 0);
    CHECK(text_of(source.folder.file("data/one/a.csv")) == "x,y\n1,2\n");
}

TEST_CASE("fetch.sh unpacks the members of an archive and removes it")
{
    if (!has_tools())
        return;
    Source source;
    Ran fetched = source.fetch("packed");
    INFO(fetched.output);
    CHECK(fetched.code == 0);
    CHECK(text_of(source.folder.file("data/two/b.bin")) == std::string(5000, 'b'));
    CHECK(text_of(source.folder.file("data/two/c.bin")) == "c");
    CHECK_FALSE(source.exists("data/two/both.tar.gz"));
}

TEST_CASE("fetch.sh says what to do by hand when a file cannot be downloaded")
{
    Source source;
    Ran manual = source.fetch("manual");
    CHECK(manual.code == 1);
    check_contains(manual.output, "Convert it yourself.");
    check_contains(manual.output, "not there: d.csv");
}

TEST_CASE("every data set with files is in the manifest, in the same folder")
{
    size_t count = 0;
    const auxo_dataset_entry *entries = auxo_dataset_catalog(&count);
    const std::string manifest = text_of(AUXO_SOURCE_DIR "/datasets/manifest.txt");
    for (size_t i = 0; i < count; i++) {
        if (entries[i].generated)
            continue;
        INFO(entries[i].name);
        std::string name = entries[i].name;
        size_t alias = manifest.find("\nalias " + name + " ");
        if (alias != std::string::npos) {
            size_t start = alias + std::string("\nalias ").size() + name.size() + 1;
            name = manifest.substr(start, manifest.find('\n', start) - start);
        }
        check_contains(manifest, "\nset " + name + "\nfolder " + entries[i].folder + "\n");
    }
}

TEST_CASE("fetch.sh writes nothing outside its folder, and trusts no file without a sum")
{
    if (!has_tools())
        return;
    Source source;
    const std::string sum = sum_of(source.folder.file("home/a.csv")),
                      home = " file://" + source.folder.file("home/a.csv");
    const char *names[] = {"../evil", "/tmp/evil-auxo", "a/../../evil", "..", "-evil", "a/-evil"};
    for (const char *name : names) {
        INFO(name);
        const std::string text = name;
        for (const std::string &manifest :
             {"set x\nfolder " + text + "\nfile " + sum + " 8 a.csv" + home + "\n",
              "set x\nfolder in\nfile " + sum + " 8 " + text + home + "\n",
              "set x\nfolder in\narchive " + sum + " 8 " + text + home + "\nmember " + sum + " 8 a.csv in/b.bin\n",
              "set x\nfolder in\narchive " + sum + " 8 b.zip" + home + "\nmember " + sum + " 8 " + text +
                  " in/b.bin\n"}) {
            write_file(source.folder.file("manifest.txt"), manifest);
            Ran refused = source.fetch("x");
            CHECK(refused.code == 1);
            check_contains(refused.output, "is no name inside the data folder");
            CHECK_FALSE(source.exists("evil"));
            CHECK_FALSE(source.exists("data/evil"));
            CHECK_FALSE(std::filesystem::exists("/tmp/evil-auxo"));
        }
    }
    write_file(source.folder.file("manifest.txt"), "set x\nfolder in\nfile - 8 a.csv" + home + "\n");
    Ran unknown = source.fetch("x");
    CHECK(unknown.code == 1);
    check_contains(unknown.output, "no SHA-256 is known for a.csv");
    CHECK_FALSE(source.exists("data/in/a.csv"));
}
