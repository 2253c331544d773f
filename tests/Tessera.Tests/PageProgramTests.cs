using Tessera.Tests.Fixtures;

namespace Tessera.Tests;

/// <summary>The programs of the pages, as they stand there.</summary>
public sealed class PageProgramTests : IDisposable
{
    private readonly PagePrograms programs = new();

    public void Dispose() => programs.Dispose();

    [Fact]
    public void The_Librarys_Compile_And_Run()
    {
        var outputs = programs.Run("library.md");
        outputs.Count.ShouldBe(6);
        outputs[0].ShouldMatch("^192 values\n(0|-0|1)\\.\\d{3} alike\n$");
        outputs[1].ShouldBe("64 patches\n");
        outputs[2].Split('\n', StringSplitOptions.RemoveEmptyEntries).Length.ShouldBe(3);
        outputs[3].ShouldBe("13 pictures\n");
        outputs[4].Split('\n').Count(line => line.StartsWith("label first: ", StringComparison.Ordinal)).ShouldBe(5);
        outputs[^1].ShouldMatch(Named(classes: 2));

        // What the packages' pages say, in the same folder.
        string[] pages = [.. Directory.GetFiles(Path.Join(AppContext.BaseDirectory, "packages")).Order(StringComparer.Ordinal)];
        var said = pages.Select(page => programs.Run(page).ShouldHaveSingleItem()).ToList();
        said[0].Split('\n', StringSplitOptions.RemoveEmptyEntries).Length.ShouldBe(5); // Embeddings: neighbours
        said[1].ShouldBe("12 pictures, 0 classes\n"); // Imaging
        said[2].ShouldBe(""); // Tessera: a vector
        said[3].ShouldBe("192 values\n"); // Onnx
    }

    [Fact]
    public void The_Readmes_Finds_The_Nearest_Pictures()
    {
        var found = programs.Run("README.md").ShouldHaveSingleItem();
        found.ShouldMatch("^(-?[01]\\.\\d{3} pictures.\\d\\d\\.png\n){3}$");
    }

    [Fact]
    public void Those_About_Onnx_Compile_And_Run()
    {
        var outputs = programs.Run("onnx.md");
        outputs.Count.ShouldBe(6);
        outputs[0].ShouldStartWith("whole.onnx: ");
        outputs[1].ShouldMatch("^192 values\nthe same pixels, the largest difference .* of 0.0001 allowed\n$");
        outputs[2].ShouldBe("48 of 64 patches restored\n");
        outputs[3].ShouldMatch(Named(classes: 3));
        outputs[4].ShouldBe("192 values for each of 2 pictures\n");
        outputs[5].ShouldMatch("^(-?[01]\\.\\d{3} pictures.\\d\\d\\.png\n){3}$");
    }

    /// <summary>Two pictures, and under each its classes with their probabilities.</summary>
    private static string Named(int classes) => $"^(\\w+\\.jpg\n(  [\\d.]+ % (goldfish|salamander|bullfrog|boa)\n){{{classes}}}){{2}}$";
}
