// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <string>
#include <tilt/loss/losses.hpp>

#include "commands.hpp"
#include "table.hpp"

namespace tilt::program {

void add_losses(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand("losses", "The table of all losses: formula, data, options, paper");
  app.allow_extras();
  app.callback([&chosen] {
    chosen = [] {
      table uses({"--loss-type", "with", "reference", "data", "options"}), formulas({"--loss-type", "formula", "paper"});
      for (const loss_description& loss : loss_table()) {
        std::string options;
        for (const std::string_view name : loss.options) {
          if (!options.empty()) options += ' ';
          options += name;
        }
        uses.row({std::string(loss.name), loss.data == "labelled" ? "tilt kto" : "tilt dpo", loss.reference ? "yes" : "no",
                  std::string(loss.data), options});
        formulas.row({std::string(loss.name), std::string(loss.formula), std::string(loss.paper)});
      }
      uses.print();
      std::printf("\n");
      formulas.print();
      std::printf(
          "\nIn formulas ℓ is log π(y|x), u is ℓ − log π_ref(y|x), n the length in tokens, ± the chosen and the rejected response, Δ = u⁺ "
          "− u⁻.\n");
      return 0;
    };
  });
}

}  // namespace tilt::program
