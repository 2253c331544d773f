using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Numerics.Tensors;
using SkiaSharp;
using Tessera.Embeddings;
using Tessera.Exports;
using Tessera.Features;
using Tessera.Onnx;
using Tessera.Tests.Fixtures;
using Tessera.Tests.Weights;
using Tessera.Weights.Layouts;

namespace Tessera.Tests;

/// <summary>The samples, each compiled with what its <c>#:</c> lines bring and nothing else, and run.</summary>
public sealed class SampleTests : IDisposable
{
    private const string WebUsings =
        "global using System.Net.Http.Json; global using Microsoft.AspNetCore.Builder; global using Microsoft.AspNetCore.Hosting; global using Microsoft.AspNetCore.Http; " +
        "global using Microsoft.AspNetCore.Routing; global using Microsoft.Extensions.Configuration; global using Microsoft.Extensions.DependencyInjection; " +
        "global using Microsoft.Extensions.Hosting; global using Microsoft.Extensions.Logging;";

    private static readonly string Samples = Path.Join(AppContext.BaseDirectory, "samples");
    private readonly ScratchFolder folder = new();

    /// <summary>Six of soft colours that run into each other and one of hard stripes, in <c>pictures</c>.</summary>
    public SampleTests()
    {
        Directory.CreateDirectory(folder.File("pictures"));
        for (var i = 0; i < 6; i++)
        {
            var number = i;
            DrawnPicture.Write(folder.File($"pictures/soft-{i}.png"), 80 + 8 * i, 90, (x, y) => new SKColor((byte)(60 + x + 8 * number), (byte)(120 + y / (1 + number)), (byte)(200 - 20 * number)));
        }
        DrawnPicture.Write(folder.File("pictures/hard.png"), 96, 96, (x, y) => (x / 6 + y / 24) % 2 == 0 ? SKColors.Black : SKColors.Yellow);
        DrawnPicture.Write(folder.File("query.jpg"), 120, 90, (x, y) => new SKColor((byte)(70 + x), (byte)(110 + y), 190));
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Each_Is_Told_Of_In_Their_Readme_And_Tested_Here()
    {
        string[] files = [.. Directory.GetFiles(Samples, "*.cs").Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];
        files.ShouldBe(["name-pictures.cs", "odd-one-out.cs", "pytorch-weights.cs", "search-api.cs", "search-duckdb.cs"]);
        var readme = File.ReadAllText(Path.Join(Samples, "README.md"));
        foreach (var file in files) readme.ShouldContain($"({file})");
    }

    /// <summary>A shell reads the whole script, and runs none of it.</summary>
    [Fact]
    public void The_Job_Script_For_Slurm_Is_One_That_A_Shell_Can_Read()
    {
        if (!File.Exists("/bin/bash")) Assert.Skip("This machine has no bash.");
        var script = Path.Join(Samples, "slurm", "pretrain.sbatch");
        using var bash = Process.Start(new ProcessStartInfo("/bin/bash", ["-n", script]) { RedirectStandardError = true })!;
        bash.StandardError.ReadToEnd().ShouldBeEmpty();
        bash.WaitForExit();
        bash.ExitCode.ShouldBe(0);
        var lines = File.ReadAllLines(script);
        lines[0].ShouldBe("#!/bin/bash");
        // Slurm reads its options until the first command.
        Array.FindLastIndex(lines, l => l.StartsWith("#SBATCH", StringComparison.Ordinal)).ShouldBeLessThan(Array.FindIndex(lines, l => l.Length > 0 && !l.StartsWith('#')));
    }

    /// <summary>The program that <c>tessera export --project</c> writes, beside the encoder that it writes.</summary>
    [Fact]
    public void An_Exported_Project_Finds_The_Nearest_Pictures()
    {
        var encoder = Path.Join(AppContext.BaseDirectory, OnnxProject.EncoderFile);
        string[] beside = ["encoder.onnx", "encoder.golden.json", "encoder.golden.png"];
        try
        {
            OnnxProject.Write("tessera-tiny", folder.File("app"));
            foreach (var file in beside) File.Copy(folder.File($"app/{file}"), Path.Join(AppContext.BaseDirectory, file));
            using var program = new CompiledProgram("exported-project", File.ReadAllText(folder.File("app/Program.cs")));

            var lines = Lines(program.Run(folder.Path, "pictures", "query.jpg"));

            var stop = TestContext.Current.CancellationToken;
            using var embedder = new ImageEmbedder(encoder);
            var index = new VectorIndex(embedder.Embed(Directory.GetFiles(folder.File("pictures")), cancellation: stop));
            var expected = index.Search(embedder.Embed([folder.File("query.jpg")], cancellation: stop), 5, stop)[0];
            lines.Skip(1).Select(line => Path.GetFileName(line)).ShouldBe(expected.Select(found => Path.GetFileName(found.Name)));
            program.RunToItsEnd(folder.Path, "pictures").Error.ShouldBe("usage: FOLDER PICTURE\n");
        }
        finally
        {
            foreach (var file in beside) File.Delete(Path.Join(AppContext.BaseDirectory, file));
        }
        var again = Should.Throw<IOException>(() => OnnxProject.Write("tessera-tiny", folder.File("app")));
        again.Message.ShouldEndWith("Program.cs is there already: name a folder without a program.");
    }

    /// <summary>The program that <c>tessera export --project</c> writes for a classifier.</summary>
    [Fact]
    public void An_Exported_Classifiers_Project_Names_Pictures()
    {
        string[] beside = ["classifier.onnx", "classifier.golden.json", "classifier.golden.png"];
        try
        {
            var model = SmallClassifier.Save(folder.File("classifier.safetensors"));
            OnnxProject.WriteClassifier(model, folder.File("names")).Select(file => Path.GetFileName(file)).ShouldBe([.. beside[..2], "Program.cs", "names.csproj"]);
            File.ReadAllText(folder.File("names/names.csproj")).ShouldContain("<None Include=\"classifier.*\"");
            foreach (var file in beside) File.Copy(folder.File($"names/{file}"), Path.Join(AppContext.BaseDirectory, file), overwrite: true);
            using var program = new CompiledProgram("exported-classifier", File.ReadAllText(folder.File("names/Program.cs")));

            var lines = Lines(program.Run(folder.Path, "query.jpg", "pictures/hard.png"));

            lines.Length.ShouldBe(9); // the check, and two pictures with three classes each
            lines[0].ShouldStartWith("the same pixels, ");
            using var classifier = PictureClassifier.Load(model);
            var best = classifier.Classify(folder.File("query.jpg")).Classes[0];
            lines[1].ShouldBe("query.jpg");
            lines[2].ShouldEndWith($" {best.Title}");
            program.RunToItsEnd(folder.Path).Error.ShouldBe("usage: PICTURE...\n");
        }
        finally
        {
            foreach (var file in beside) File.Delete(Path.Join(AppContext.BaseDirectory, file));
        }
    }

    [Fact]
    public void Pictures_Get_The_Names_Of_Those_Like_Them()
    {
        using var program = Compiled("name-pictures.cs");
        foreach (var (name, from) in new[] { ("kinds/hard/1", "hard"), ("kinds/soft/1", "soft-1"), ("kinds/soft/2", "soft-2"), ("twins/one/1", "hard"), ("twins/other/1", "hard") })
        {
            Directory.CreateDirectory(Path.GetDirectoryName(folder.File(name))!);
            File.Copy(folder.File($"pictures/{from}.png"), folder.File(name + ".png"));
        }

        var lines = Lines(program.Run(folder.Path, "kinds", "query.jpg", "pictures/hard.png"));
        lines.Length.ShouldBe(2);
        lines[0].ShouldMatch(@"^query\.jpg: soft \((\d\d|100) %\)$");
        lines[1].ShouldMatch(@"^pictures/hard\.png: hard \((\d\d|100) %\)$");
        Lines(program.Run(folder.Path, "twins", "query.jpg")).ShouldHaveSingleItem().ShouldBe("query.jpg: one (50 %)"); // the same picture in two classes

        var empty = program.RunToItsEnd(folder.Path, "pictures", "query.jpg");
        empty.Code.ShouldBe(1);
        Lines(empty.Error).ShouldHaveSingleItem().ShouldStartWith("pictures holds no folder with pictures");
    }

    [Fact]
    public void The_Odd_One_Comes_First()
    {
        using var program = Compiled("odd-one-out.cs");
        var lines = Lines(program.Run(folder.Path, "pictures"));

        lines.Length.ShouldBe(5);
        lines[0].ShouldMatch(@"^\d\.\d{3} hard\.png$");
        lines.Select(Value).ShouldBeInOrder(SortDirection.Descending);
        Value(lines[0]).ShouldBeGreaterThan(2 * Value(lines[1]));

        folder.File("pictures/broken.png", "no picture"u8.ToArray());
        var broken = program.RunToItsEnd(folder.Path, "pictures");
        broken.Code.ShouldBe(1);
        Lines(broken.Error).ShouldHaveSingleItem().ShouldContain("broken.png");
    }

    [Fact]
    public void A_Database_Finds_What_The_Index_Finds_And_Keeps_It()
    {
        using var program = Compiled("search-duckdb.cs");
        var first = Lines(program.Run(folder.Path, "vectors.duckdb", "pictures", "query.jpg"));
        var second = Lines(program.Run(folder.Path, "vectors.duckdb", "pictures", "query.jpg"));

        first[0].ShouldBe("7 pictures added to 0");
        second[0].ShouldBe("0 pictures added to 7");
        second[1..].ShouldBe(first[1..]);
        var expected = Nearest(3);
        first[1..].Select(Name).ShouldBe(expected.Select(found => Path.Join("pictures", found.Name)));
        for (var i = 0; i < 3; i++) Value(first[1 + i]).ShouldBe(expected[i].Similarity, .0011); // three decimals are written

        folder.File("other.duckdb", "no database"u8.ToArray());
        var refused = program.RunToItsEnd(folder.Path, "other.duckdb", "pictures", "query.jpg");
        refused.Code.ShouldBe(1);
        Lines(refused.Error).ShouldHaveSingleItem().ShouldContain("other.duckdb");
    }

    [Fact]
    public async Task A_Service_Finds_What_The_Index_Finds_And_Refuses_What_Is_No_Picture()
    {
        using var program = Compiled("search-api.cs");
        using var service = program.Start(folder.Path, "--pictures", "pictures", "--urls", "http://127.0.0.1:0"); // any free port
        try
        {
            using var client = new HttpClient { BaseAddress = await Address(service) };
            var cancellation = TestContext.Current.CancellationToken;
            using var picture = new ByteArrayContent(await File.ReadAllBytesAsync(folder.File("query.jpg"), cancellation));
            using var answer = await client.PostAsync(new Uri("/search?count=3", UriKind.Relative), picture, cancellation);
            answer.StatusCode.ShouldBe(HttpStatusCode.OK);
            var found = (await answer.Content.ReadFromJsonAsync<Match[]>(cancellation))!;

            var expected = Nearest(3);
            found.Select(match => match.Name).ShouldBe(expected.Select(match => match.Name));
            for (var i = 0; i < 3; i++) found[i].Similarity.ShouldBe(expected[i].Similarity, 1e-5);

            using var rubbish = new StringContent("no picture");
            using var refused = await client.PostAsync(new Uri("/search", UriKind.Relative), rubbish, cancellation);
            refused.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
            (await refused.Content.ReadAsStringAsync(cancellation)).ShouldContain("the picture sent is not a picture that can be read");
        }
        finally
        {
            service.Kill();
            await service.WaitForExitAsync(CancellationToken.None);
        }
    }

    [Fact]
    public void Weights_Of_Pytorch_Give_The_Vectors_That_They_Gave_Before()
    {
        ModelExport.Export("tessera-tiny", folder.File("vit.pth"), ExportFormat.Timm);
        using var program = Compiled("pytorch-weights.cs");
        var lines = Lines(program.Run(folder.Path, "vit.pth", "query.jpg", "pictures/hard.png"));

        lines.Length.ShouldBe(3);
        lines[0].ShouldStartWith("timm");
        lines[1].ShouldBe("12 blocks, 3 heads, 192 values, pictures of 3×64×64");
        using var encoder = PictureEncoder.Load("tessera-tiny");
        var alike = TensorPrimitives.CosineSimilarity<float>(encoder.Embed(folder.File("query.jpg")), encoder.Embed(folder.File("pictures/hard.png")));
        Value(lines[2]).ShouldBe(alike, .0011); // three decimals are written
        Lines(program.Run(folder.Path, "vit.pth", "query.jpg", "pictures/hard.png")).ShouldBe(lines[1..]); // imported once

        var refused = program.RunToItsEnd(folder.Path, "query.jpg", "query.jpg", "query.jpg");
        refused.Code.ShouldBe(1);
        Lines(refused.Error).ShouldHaveSingleItem().ShouldContain("query.jpg");
    }

    /// <summary>Compiles a sample, and sees that it says how it is used.</summary>
    private CompiledProgram Compiled(string sample)
    {
        var text = File.ReadAllText(Path.Join(Samples, sample));
        var directives = text.Split('\n').Where(line => line.StartsWith("#:", StringComparison.Ordinal)).Select(line => line.Split(' ')).ToLookup(words => words[0], words => words[1]);
        var libraries = directives["#:project"].Select(project => Path.GetFileNameWithoutExtension(project)).Concat(directives["#:package"]);
        var isWeb = directives["#:sdk"].Contains("Microsoft.NET.Sdk.Web");
        var program = new CompiledProgram(Path.GetFileNameWithoutExtension(sample), text, TestAssemblies.Of(libraries, isWeb), isWeb ? WebUsings : "");
        var (code, _, error) = program.RunToItsEnd(folder.Path);
        code.ShouldBe(2, error);
        error.ShouldStartWith($"usage: {sample} ");
        return program;
    }

    /// <summary>The pictures that are nearest to the query, by the index.</summary>
    private Match[] Nearest(int count)
    {
        using var embedder = new ImageEmbedder();
        var index = new VectorIndex(embedder.Embed(Directory.GetFiles(folder.File("pictures"))));
        return [.. index.Search(embedder.Embed([folder.File("query.jpg")]), count)[0].Select(found => new Match(Path.GetFileName(found.Name), found.Similarity))];
    }

    /// <summary>Where a service listens, as it says itself.</summary>
    private static async Task<Uri> Address(Process service)
    {
        const string Listening = "Now listening on: ";
        while (await service.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken) is { } line)
            if (line.IndexOf(Listening, StringComparison.Ordinal) is >= 0 and var at) return new Uri(line[(at + Listening.Length)..]);
        throw new InvalidOperationException("The service ended: " + await service.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
    }

    private static string[] Lines(string output) => output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private static double Value(string line) => double.Parse(line.Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture);

    private static string Name(string line) => line[(line.IndexOf(' ', StringComparison.Ordinal) + 1)..];

    private sealed record Match(string Name, float Similarity);
}
