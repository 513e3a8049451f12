package dev.heng.cli;

import dev.heng.runtime.HengException;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** Which model. */
final class ModelOptions {

    /** The folder of the checkout, which the launcher tells: its models/ are known by their names. */
    private static final String HOME = "heng.home";

    @Option(
            names = {"-m", "--model"},
            paramLabel = "DIR",
            defaultValue = "poet",
            description = "The model's folder, or the name of an embedded model. Default: ${DEFAULT-VALUE}."
                    + " For a folder of that name write ./${DEFAULT-VALUE}.")
    String model = "poet";

    /** Returns the model's folder. */
    Path folder() {
        String home = System.getProperty(HOME);
        boolean isName = model.chars().noneMatch(c -> c == '/' || c == '\\') && !model.startsWith(".");
        if (isName && home != null) {
            Path embedded = Path.of(home, "models", model);
            if (Files.isDirectory(embedded)) {
                return embedded;
            }
        }
        Path folder = Path.of(model);
        if (isName && home == null && !Files.exists(folder)) {
            throw new HengException(
                    "there is no folder '" + model + "' here, and embedded models are known to ./heng only",
                    "start through ./heng, pass -D" + HOME + "=CHECKOUT to java, or give the model's folder");
        }
        return folder;
    }
}
