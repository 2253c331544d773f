using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.VectorData;
using Tessera.Embeddings;
using Tessera.Exports;
using Tessera.Onnx.Tests.Fixtures;

namespace Tessera.Onnx.Tests;

/// <summary>The collection through its abstraction alone, against hand-made vectors and a plain computation.</summary>
public sealed class PictureCollectionTests : IDisposable
{
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string> Endings => [.. VectorFile.Endings];

    [Fact]
    public async Task Exists_From_Being_Ensured_Until_It_Is_Deleted()
    {
        using VectorStoreCollection<string, PictureRecord> collection = new PictureCollection("animals");
        collection.Name.ShouldBe("animals");
        await ShouldNotExist();
        await collection.EnsureCollectionExistsAsync(Cancellation);
        await collection.EnsureCollectionExistsAsync(Cancellation);
        (await collection.CollectionExistsAsync(Cancellation)).ShouldBeTrue();
        (await collection.GetAsync("cat", cancellationToken: Cancellation)).ShouldBeNull();
        (await Names(collection.SearchAsync(new float[] { 1, 0 }, 3, cancellationToken: Cancellation))).ShouldBeEmpty();
        await collection.UpsertAsync(Record("cat", null, 1, 0), Cancellation);
        await collection.EnsureCollectionExistsAsync(Cancellation); // takes nothing away
        (await collection.GetAsync("cat", cancellationToken: Cancellation)).ShouldNotBeNull();
        await collection.EnsureCollectionDeletedAsync(Cancellation);
        await collection.EnsureCollectionDeletedAsync(Cancellation);
        await ShouldNotExist();
        await collection.EnsureCollectionExistsAsync(Cancellation);
        (await collection.GetAsync("cat", cancellationToken: Cancellation)).ShouldBeNull();

        async Task ShouldNotExist()
        {
            (await collection.CollectionExistsAsync(Cancellation)).ShouldBeFalse();
            foreach (var (operation, call) in Calls(collection, Cancellation).Where(c => !c.Operation.Contains("Collection", StringComparison.Ordinal)))
            {
                var error = await Should.ThrowAsync<VectorStoreException>(call);
                error.Message.ShouldBe("The collection 'animals' does not exist: call EnsureCollectionExistsAsync first.");
                (error.OperationName, error.CollectionName, error.VectorStoreSystemName).ShouldBe((operation, "animals", "tessera"));
            }
        }
    }

    [Fact]
    public async Task Gives_Back_What_It_Took_In()
    {
        using var collection = await Animals();
        var cat = await collection.GetAsync("cat", new RecordRetrievalOptions { IncludeVectors = true }, Cancellation);
        (cat!.Name, cat.Class).ShouldBe(("cat", "pet"));
        cat.Vector.ToArray().ShouldBe([1, 0]);
        (await collection.GetAsync("owl", cancellationToken: Cancellation)).ShouldBe(new PictureRecord { Name = "owl" }); // no class, and no vector unless asked for

        await collection.UpsertAsync([Record("cat", "beast", 0, -2), Record("eel", "", 5, 5), Record("eel", "fish", 7, 7)], Cancellation); // replaced; of two the later
        var found = await All(collection.GetAsync(["eel", "none", "cat", "dog"], new RecordRetrievalOptions { IncludeVectors = true }, Cancellation));
        found.Select(r => (r.Name, r.Class)).ShouldBe([("eel", "fish"), ("cat", "beast"), ("dog", "pet")]);
        found.SelectMany(r => r.Vector.ToArray()).ShouldBe([7, 7, 0, -2, 3, 4]);
        (await All(collection.GetAsync(["eel"], cancellationToken: Cancellation))).Single().Vector.IsEmpty.ShouldBeTrue();
    }

    [Fact]
    public async Task Gets_By_A_Filter_In_An_Order()
    {
        using var collection = await Animals();
        await collection.UpsertAsync([Record("Zebra", "wild", 1, 1), Record("ant", "wild", 1, 2)], Cancellation);

        (await Get(r => true, 9)).ShouldBe(["cat", "dog", "owl", "Zebra", "ant"]);
        (await Get(r => r.Class == "wild" || r.Name.StartsWith('o'), 9)).ShouldBe(["owl", "Zebra", "ant"]);
        (await Get(r => First(r) > 1, 9)).ShouldBe(["dog"]); // a filter sees vectors
        (await Get(r => true, 2, new() { Skip = 1 })).ShouldBe(["dog", "owl"]);
        (await Get(r => true, 9, new() { OrderBy = by => by.Ascending(r => r.Name) })).ShouldBe(["Zebra", "ant", "cat", "dog", "owl"]);
        (await Get(r => true, 3, new() { OrderBy = by => by.Descending(r => r.Class).Ascending(r => r.Name), Skip = 1 })).ShouldBe(["ant", "cat", "dog"]);
        (await Get(r => true, 3, new() { OrderBy = by => by.Ascending(r => r.Class).Descending(r => r.Name) })).ShouldBe(["owl", "dog", "cat"]);
        (await All(collection.GetAsync(r => r.Name == "dog", 1, new() { IncludeVectors = true }, Cancellation))).Single().Vector.ToArray().ShouldBe([3, 4]);

        async Task<string[]> Get(System.Linq.Expressions.Expression<Func<PictureRecord, bool>> filter, int top, FilteredRecordRetrievalOptions<PictureRecord>? options = null) =>
            [.. (await All(collection.GetAsync(filter, top, options, Cancellation))).Select(r => r.Name)];
    }

    [Fact]
    public async Task Finds_The_Nearest()
    {
        const int width = 7;
        var random = new Random(1);
        PictureRecord[] records = [.. Enumerable.Range(0, 300).Select(i => Record($"{i}", i % 3 == 0 ? "third" : null, [.. Draw()]))];
        var query = Draw();
        using var collection = await With(records);

        (int, int, double?, bool, bool)[] cases =
            [(5, 0, null, false, false), (5, 3, null, false, true), (1000, 0, .4, false, false), (10, 2, .3, true, true), (5, 300, null, false, false), (1, int.MaxValue, null, true, false)];
        foreach (var (top, skip, least, third, vectors) in cases)
        {
            var options = new VectorSearchOptions<PictureRecord>
            {
                Skip = skip,
                ScoreThreshold = least,
                IncludeVectors = vectors,
                VectorProperty = r => r.Vector,
                Filter = third ? r => r.Class == "third" : null,
            };
            var expected = records.Where(r => !third || r.Class == "third").Select(r => (Record: r, Score: Cosine(r.Vector.Span, query)))
                .OrderByDescending(r => r.Score).Where(r => least is null || r.Score >= least).Skip(skip).Take(top).ToList();

            foreach (var found in new[]
            {
                await All(collection.SearchAsync(query, top, options, Cancellation)),
                await All(collection.SearchAsync(new ReadOnlyMemory<float>(query), top, options, Cancellation)),
                await All(collection.SearchAsync(query.AsMemory(), top, options, Cancellation)),
                await All(collection.SearchAsync(new Embedding<float>(query), top, options, Cancellation)),
            })
            {
                found.Select(f => (f.Record.Name, f.Record.Class)).ShouldBe(expected.Select(e => (e.Record.Name, e.Record.Class)));
                found.Select(f => f.Score!.Value).ToArray().ShouldBe(expected.Select(e => e.Score).ToArray(), 1e-6);
                foreach (var (f, e) in found.Zip(expected)) f.Record.Vector.ToArray().ShouldBe(vectors ? e.Record.Vector.ToArray() : []);
            }
        }

        float[] Draw() => [.. Enumerable.Range(0, width).Select(_ => random.NextSingle() - .5f)];

        static double Cosine(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
        {
            var (ab, aa, bb) = (0.0, 0.0, 0.0);
            for (var i = 0; i < a.Length; i++) (ab, aa, bb) = (ab + ((double)a[i] * b[i]), aa + ((double)a[i] * a[i]), bb + ((double)b[i] * b[i]));
            return ab / Math.Sqrt(aa * bb);
        }
    }

    [Fact]
    public async Task Deletes_Records()
    {
        using var collection = await Animals();
        await collection.DeleteAsync("none", Cancellation);
        await collection.DeleteAsync("dog", Cancellation);
        (await Names(collection.SearchAsync(new float[] { 3, 4 }, 9, cancellationToken: Cancellation))).ShouldBe(["owl", "cat"]);
        await collection.DeleteAsync(["cat", "none", "owl"], Cancellation);
        (await collection.CollectionExistsAsync(Cancellation)).ShouldBeTrue();
        await collection.UpsertAsync(Record("wide", null, 1, 2, 3), Cancellation); // an empty one takes any width
        (await Names(collection.SearchAsync(new float[] { 3, 4, 5 }, 9, cancellationToken: Cancellation))).ShouldBe(["wide"]);
    }

    [Theory]
    [MemberData(nameof(Endings))]
    public async Task Is_Kept_In_A_File(string ending)
    {
        var file = folder.File("animals" + ending);
        using (var collection = PictureCollection.Open(file))
        {
            (collection.Name, await collection.CollectionExistsAsync(Cancellation)).ShouldBe(("animals", false));
            await collection.EnsureCollectionExistsAsync(Cancellation);
            await collection.UpsertAsync([Record("cat", "pet", 1, 0), Record("owl", null, 0, 1)], Cancellation);
            await collection.DeleteAsync("owl", Cancellation);
            await collection.UpsertAsync(Record("dog", "pet", .1f, 4), Cancellation);
        }
        VectorFile.Read(file).Names.ShouldBe(["cat", "dog"]);
        using (var collection = PictureCollection.Open(file))
        {
            (await collection.CollectionExistsAsync(Cancellation)).ShouldBeTrue();
            var dog = await collection.GetAsync("dog", new RecordRetrievalOptions { IncludeVectors = true }, Cancellation);
            dog!.Class.ShouldBe("pet");
            dog.Vector.ToArray().ShouldBe([.1f, 4]);
            await collection.DeleteAsync(["cat", "dog"], Cancellation);
            Directory.GetFiles(folder.Path).ShouldBeEmpty(); // no records, no file
            await collection.UpsertAsync(dog, Cancellation);
            File.Exists(file).ShouldBeTrue();
            await collection.EnsureCollectionDeletedAsync(Cancellation);
        }
        Directory.GetFiles(folder.Path).ShouldBeEmpty();
    }

    [Fact]
    public async Task What_Cannot_Be_Written_Is_Not_There()
    {
        var inside = Directory.CreateDirectory(folder.File("inside")).FullName;
        using var collection = PictureCollection.Open(Path.Join(inside, "animals.csv"));
        await collection.EnsureCollectionExistsAsync(Cancellation);
        await collection.UpsertAsync(Record("cat", null, 1, 0), Cancellation);
        Directory.Delete(inside, recursive: true);

        var error = await Should.ThrowAsync<VectorStoreException>(() => collection.UpsertAsync(Record("dog", null, 1, 0), Cancellation));
        error.Message.ShouldStartWith($"{Path.Join(inside, "animals.csv")} cannot be written: ");
        (error.OperationName, error.VectorStoreName).ShouldBe(("UpsertAsync", Path.Join(inside, "animals.csv")));
        (await Names(collection.SearchAsync(new float[] { 3, 4 }, 9, cancellationToken: Cancellation))).ShouldBe(["cat"]);
        Directory.CreateDirectory(inside);
        await collection.UpsertAsync(Record("dog", null, 1, 0), Cancellation); // it goes on
        VectorFile.Read(Path.Join(inside, "animals.csv")).Names.ShouldBe(["cat", "dog"]);
    }

    [Fact]
    public async Task Embeds_Pictures_With_Its_Generator()
    {
        var model = RandomModel.Write(folder.File("model.safetensors"), RandomModel.Small);
        using var embedder = new ImageEmbedder(OnnxExport.Encoder(model, folder.File("model.onnx")).File);
        string[] files = [.. Enumerable.Range(1, 4).Select(i => folder.File($"{i}.jpg", Encoded.Picture(40 + i, 50, i)))];
        var expected = embedder.Embed(files, cancellation: Cancellation);
        using var services = new ServiceCollection().AddSingleton<IEmbeddingGenerator<DataContent, Embedding<float>>>(embedder)
            .AddTesseraCollection(folder.File("pictures.parquet")).BuildServiceProvider();
        var collection = services.GetRequiredService<VectorStoreCollection<string, PictureRecord>>();
        services.GetRequiredService<IVectorSearchable<PictureRecord>>().ShouldBeSameAs(collection);
        services.GetRequiredService<PictureCollection>().ShouldBeSameAs(collection);

        await collection.EnsureCollectionExistsAsync(Cancellation);
        var ready = new PictureRecord { Name = files[1], Vector = expected.Vectors[1].ToArray() }; // one among them has its vector already
        PictureRecord[] others = [.. files.Select(file => new PictureRecord { Name = file, Picture = new DataContent(File.ReadAllBytes(file), "image/jpeg") })];
        await collection.UpsertAsync([others[0], ready, others[2], others[3]], Cancellation);

        var held = (VectorSet)collection.GetService(typeof(VectorSet))!;
        held.Names.ShouldBe(files);
        held.Vectors.Values.ShouldBe(expected.Vectors.Values, 1e-5, "vectors");
        held.Origin.ShouldBe(expected.Origin); // so that the file is comparable with what tessera embed makes
        foreach (var found in new[]
        {
            await All(collection.SearchAsync(new DataContent(File.ReadAllBytes(files[2]), "image/jpeg"), 1, cancellationToken: Cancellation)),
            await All(collection.SearchAsync(new FileInfo(files[2]), 1, cancellationToken: Cancellation)),
        })
        {
            found.Single().Record.ShouldBe(new PictureRecord { Name = files[2] });
            found.Single().Score!.Value.ShouldBe(1, 1e-5);
        }

        (await Refused<VectorStoreException>(() => collection.UpsertAsync([Record("a", null, 1), others[0] with { Picture = new DataContent(new byte[9], "image/png") }], Cancellation)))
            .ShouldBe("picture 1 is not a picture that can be read (JPEG, PNG, WebP, BMP or GIF).");
        (await Refused<VectorStoreException>(() => All(collection.SearchAsync(new FileInfo(folder.File("none.jpg")), 1, cancellationToken: Cancellation)))).ShouldStartWith($"{folder.File("none.jpg")} cannot be read: ");
        (await Refused<ArgumentException>(() => All(collection.SearchAsync(new DataContent(new byte[9], "text/plain"), 1, cancellationToken: Cancellation)))).ShouldStartWith("A content of type text/plain is no picture.");

        using var other = new ImageEmbedder(OnnxExport.Encoder(RandomModel.Write(folder.File("other.safetensors"), RandomModel.Small with { Depth = 2 }), folder.File("other.onnx")).File);
        using var mixed = PictureCollection.Open(folder.File("pictures.parquet"), other);
        (await Refused<VectorStoreException>(() => mixed.UpsertAsync(others[0], Cancellation))).ShouldContain("were made by another model");
        (await Refused<VectorStoreException>(() => All(mixed.SearchAsync(new FileInfo(files[0]), 1, cancellationToken: Cancellation)))).ShouldStartWith("The vectors of the query were made by another model");
        collection.GetService(typeof(VectorSet)).ShouldBeSameAs(held); // what was refused changed nothing
    }

    [Fact]
    public async Task Says_What_Is_Behind_It()
    {
        using var collection = await Animals();
        var metadata = (VectorStoreCollectionMetadata)collection.GetService(typeof(VectorStoreCollectionMetadata))!;
        (metadata.CollectionName, metadata.VectorStoreSystemName, metadata.VectorStoreName).ShouldBe(("animals", "tessera", null));
        collection.GetService(typeof(PictureCollection)).ShouldBeSameAs(collection);
        collection.GetService(typeof(IVectorSearchable<PictureRecord>)).ShouldBeSameAs(collection);
        ((VectorSet)collection.GetService(typeof(VectorSet))!).Names.ShouldBe(["cat", "dog", "owl"]);
        collection.GetService(typeof(PictureCollection), "key").ShouldBeNull();
        collection.GetService(typeof(string)).ShouldBeNull();
    }

    [Fact]
    public async Task What_Is_Cancelled_Ends_And_Changes_Nothing()
    {
        using var collection = await Animals();
        var before = collection.GetService(typeof(VectorSet));
        foreach (var (operation, call) in Calls(collection, new CancellationToken(canceled: true)))
            await Should.ThrowAsync<OperationCanceledException>(call, operation);
        collection.GetService(typeof(VectorSet)).ShouldBeSameAs(before);

        using var source = new CancellationTokenSource(); // by the one who reads, in the middle
        var seen = 0;
        await Should.ThrowAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in collection.GetAsync(r => true, 9, cancellationToken: Cancellation).WithCancellation(source.Token))
            {
                seen++;
                source.Cancel();
            }
        });
        seen.ShouldBe(1);
        await Should.ThrowAsync<OperationCanceledException>(() => All(collection.GetAsync(r => Stop(source), 9, cancellationToken: source.Token)));
    }

    [Fact]
    public async Task Readers_See_All_Of_A_Change_Or_Nothing()
    {
        using var collection = await Animals();
        await Upsert(0);
        var writers = Enumerable.Range(1, 4).Select(writer => Task.Run(async () =>
        {
            for (var i = 0; i < 50; i++) await Upsert(writer);
            await collection.UpsertAsync(Record($"by {writer}", null, writer, 1), Cancellation);
        }));
        var readers = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < 100; i++)
            {
                var both = await All(collection.GetAsync(["one", "two"], new RecordRetrievalOptions { IncludeVectors = true }, Cancellation));
                both[0].Class.ShouldBe(both[1].Class);
                both[0].Vector.ToArray().ShouldBe(both[1].Vector.ToArray());
                (await All(collection.SearchAsync(both[0].Vector, 2, new() { Filter = r => r.Class != "pet" && r.Class != null }, Cancellation))).Count.ShouldBe(2);
            }
        }));
        await Task.WhenAll([.. writers, .. readers]);
        (await Names(collection.SearchAsync(new float[] { 1, 1 }, 99, cancellationToken: Cancellation))).Order(StringComparer.Ordinal)
            .ShouldBe(["by 1", "by 2", "by 3", "by 4", "cat", "dog", "one", "owl", "two"]); // no change was lost

        Task Upsert(int writer) => collection.UpsertAsync([Record("one", $"{writer}", writer, 1), Record("two", $"{writer}", writer, 1)], Cancellation);
    }

    [Fact]
    public async Task Bad_Input_Is_Refused_In_A_Sentence()
    {
        using var collection = await Animals();
        (await Refused<ArgumentException>(() => collection.UpsertAsync([Record("a", null, 1, 2), null!], Cancellation))).ShouldStartWith("Record 1 is null.");
        (await Refused<ArgumentException>(() => collection.UpsertAsync(Record("", null, 1, 2), Cancellation))).ShouldStartWith("Record 0 has no name, which is its key.");
        (await Refused<ArgumentException>(() => collection.UpsertAsync(Record("a", null), Cancellation))).ShouldStartWith("The record 'a' has neither a vector nor a picture to make one of.");
        (await Refused<ArgumentException>(() => collection.UpsertAsync([Record("a", null, 1, 2), Record("b", null, 1)], Cancellation))).ShouldStartWith("The vector of 'b' has 1 values, and that of 'a' 2: embed both with the same model.");
        (await Refused<VectorStoreException>(() => collection.UpsertAsync(Record("a", null, 1, 2, 3), Cancellation))).ShouldBe("Vectors of 3 values cannot be compared with vectors of 2: embed both with the same model.");
        (await Refused<InvalidOperationException>(() => collection.UpsertAsync(new PictureRecord { Name = "a", Picture = new DataContent(new byte[9], "image/png") }, Cancellation)))
            .ShouldBe("The collection 'animals' has nothing that makes vectors of pictures: give it an ImageEmbedder, or vectors.");
        (await Refused<InvalidOperationException>(() => Search(new FileInfo("cat.jpg")))).ShouldContain("has nothing that makes vectors of pictures");
        (await Refused<ArgumentException>(() => Search("cat.jpg"))).ShouldStartWith("A value of type String cannot be searched for: give a vector, the content of a picture, or a FileInfo of its file.");
        (await Refused<ArgumentException>(() => Search(Array.Empty<float>()))).ShouldStartWith("The vector to search for has no values.");
        (await Refused<ArgumentException>(() => Search(new float[] { 1, 2 }, new() { VectorProperty = r => r.Name }))).ShouldStartWith("Records are searched by their Vector alone.");
        (await Refused<VectorStoreException>(() => Search(new float[] { 1, 2, 3 }))).ShouldBe("Vectors of 3 values cannot be compared with vectors of 2: embed both with the same model.");
        (await Refused<VectorStoreException>(() => Search(new float[] { 1, 2 }, new() { Filter = r => r.Class!.Length > 1 }))).ShouldStartWith("The filter r => (r.Class.Length > 1) failed: ");
        (await Refused<ArgumentException>(() => All(collection.GetAsync(r => true, 0, cancellationToken: Cancellation)))).ShouldStartWith("top ('0') must be greater than or equal to '1'.");
        (await Refused<ArgumentException>(() => All(collection.GetAsync(r => true, 1, new() { OrderBy = by => by.Ascending(r => r.Vector) }, Cancellation)))).ShouldStartWith("Records are ordered by Name or Class.");
        Should.Throw<ArgumentException>(() => PictureCollection.Open("a.txt")).Message.ShouldStartWith("a.txt has not the ending of a format of vectors: choose .npy, .parquet, .csv.");
        Should.Throw<VectorException>(() => PictureCollection.Open(folder.File("broken.parquet", [1, 2, 3]))).Message.ShouldStartWith($"{folder.File("broken.parquet")} cannot be read as vectors: ");
        Should.Throw<VectorException>(() => new PictureCollection("animals", new VectorSet(new LabelledVectors([1, 2], 1, [-1, -1]), ["cat", "cat"], []))).Message
            .ShouldBe("Two vectors of animals have the name 'cat', and names are a collection's keys: give each its own.");

        Task<List<VectorSearchResult<PictureRecord>>> Search<T>(T value, VectorSearchOptions<PictureRecord>? options = null) where T : notnull => All(collection.SearchAsync(value, 3, options, Cancellation));
    }

    /// <summary>Every member that may be cancelled.</summary>
    private static (string Operation, Func<Task> Call)[] Calls(VectorStoreCollection<string, PictureRecord> collection, CancellationToken cancellation) =>
    [
        ("CollectionExistsAsync", () => collection.CollectionExistsAsync(cancellation)),
        ("EnsureCollectionExistsAsync", () => collection.EnsureCollectionExistsAsync(cancellation)),
        ("EnsureCollectionDeletedAsync", () => collection.EnsureCollectionDeletedAsync(cancellation)),
        ("GetAsync", () => collection.GetAsync("cat", cancellationToken: cancellation)),
        ("GetAsync", () => All(collection.GetAsync(["cat"], cancellationToken: cancellation))),
        ("GetAsync", () => All(collection.GetAsync(r => true, 1, cancellationToken: cancellation))),
        ("UpsertAsync", () => collection.UpsertAsync(Record("new", null, 1, 0), cancellation)),
        ("UpsertAsync", () => collection.UpsertAsync([Record("new", null, 1, 0)], cancellation)),
        ("DeleteAsync", () => collection.DeleteAsync("cat", cancellation)),
        ("DeleteAsync", () => collection.DeleteAsync(["cat"], cancellation)),
        ("SearchAsync", () => All(collection.SearchAsync(new float[] { 1, 0 }, 1, cancellationToken: cancellation))),
    ];

    private static float First(PictureRecord record) => record.Vector.Span[0];

    private static bool Stop(CancellationTokenSource source)
    {
        source.Cancel();
        return true;
    }

    private static Task<PictureCollection> Animals() => With(Record("cat", "pet", 1, 0), Record("dog", "pet", 3, 4), Record("owl", null, 0, 1));

    private static async Task<PictureCollection> With(params PictureRecord[] records)
    {
        var collection = new PictureCollection("animals");
        await collection.EnsureCollectionExistsAsync(Cancellation);
        await collection.UpsertAsync(records, Cancellation);
        return collection;
    }

    private static PictureRecord Record(string name, string? kind, params float[] vector) => new() { Name = name, Class = kind, Vector = vector };

    private static async Task<string> Refused<T>(Func<Task> call) where T : Exception => (await Should.ThrowAsync<T>(call)).Message;

    private static async Task<List<T>> All<T>(IAsyncEnumerable<T> items)
    {
        var all = new List<T>();
        await foreach (var item in items) all.Add(item);
        return all;
    }

    private static async Task<string[]> Names(IAsyncEnumerable<VectorSearchResult<PictureRecord>> found) => [.. (await All(found)).Select(f => f.Record.Name)];
}
