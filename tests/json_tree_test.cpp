// tests/json_tree_test.cpp: JSON text that reads back as the numbers it was made of.
extern "C" {
#include "json_tree.h"
}

#include <catch2/catch.hpp>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>

TEST_CASE("numbers of a tree are printed so that they read back as the same numbers")
{
    std::mt19937_64 random(7);
    for (int i = 0; i < 2000; i++) {
        const uint64_t bits = random();
        double value = 0;
        std::memcpy(&value, &bits, sizeof value);
        if (!std::isfinite(value))
            value = 0.52775653029740788; // its first 15 digits are another number
        cJSON *root = cJSON_CreateObject();
        auxo__tree_number(root, "value", value);
        auxo__tree_number(root, "whole", i);
        char *text = auxo__tree_print_text(root, false);
        REQUIRE(text);
        CHECK(std::strtod(std::strstr(text, ":") + 1, nullptr) == value);
        std::free(text);
        CHECK(cJSON_IsNumber(cJSON_GetObjectItem(root, "value"))); // the tree is as it was
        auxo_error error = {};
        REQUIRE(auxo__tree_print(root, true, &text, &error) == AUXO_OK);
        CHECK(std::strtod(std::strstr(text, ":") + 1, nullptr) == value);
        std::free(text);
    }
}

TEST_CASE("numbers of a tree that have no text become null, and short ones stay short")
{
    cJSON *root = cJSON_CreateObject();
    auxo__tree_number(root, "a", 0.1);
    auxo__tree_number(root, "b", std::numeric_limits<double>::infinity());
    auxo__tree_number(root, "c", -3);
    char *text = nullptr;
    auxo_error error = {};
    REQUIRE(auxo__tree_print(root, false, &text, &error) == AUXO_OK);
    CHECK(std::string(text) == R"({"a":0.1,"b":null,"c":-3})");
    std::free(text);
}
