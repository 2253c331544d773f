using System.Text.Json.Nodes;
using Tessera.Models;
using Tessera.Weights;

namespace Tessera.Tests.Weights;

public sealed class ModelDescriptionTests
{
    private const string File = "m.safetensors";

    [Fact]
    public void Comes_Back_From_Its_Json()
    {
        var read = ModelDescription.Parse(File, Json(SmallModel.Description));

        read.Version.ShouldBe(2);
        read.Encoder.ShouldBe(SmallModel.Description.Encoder);
        read.Reconstruction.ShouldBe(SmallModel.Description.Reconstruction);
        read.RequireReconstruction(File).ShouldBe(SmallModel.Shape);
        read.Normalization.Mean.ShouldBe(SmallModel.Description.Normalization.Mean);
        read.Normalization.Deviation.ShouldBe(SmallModel.Description.Normalization.Deviation);
        read.Data.ShouldBe(SmallModel.Description.Data);
        read.Training.ShouldBe(SmallModel.Description.Training);
    }

    [Fact]
    public void No_Option_Of_The_Small_Model_Has_Its_Default() // else the test above would not miss it
    {
        foreach (var property in typeof(ReconstructionOptions).GetProperties())
            property.GetValue(SmallModel.Shape).ShouldNotBe(property.GetValue(new MaskedAutoencoderOptions()), property.Name);
        foreach (var property in typeof(VisionTransformerOptions).GetProperties().Where(p => p.CanWrite))
            property.GetValue(SmallModel.Shape.Encoder).ShouldNotBe(property.GetValue(new VisionTransformerOptions()), property.Name);
    }

    [Fact]
    public void Has_The_Published_Shape()
    {
        var json = Node();

        json.Select(member => member.Key).ShouldBe(["version", "encoder", "normalization", "reconstruction", "data", "training"]);
        json["version"]!.GetValue<int>().ShouldBe(2);
        json["encoder"]!["patchSize"]!.GetValue<int>().ShouldBe(4);
        json["reconstruction"]!.AsObject().Select(member => member.Key).ShouldBe(
            ["mask", "placement", "maskTokens", "decoderWidth", "decoderDepth", "decoderHeads", "target", "lossOn"], ignoreOrder: true);
        json["data"]!["splitSeed"]!.GetValue<ulong>().ShouldBe(ulong.MaxValue);
    }

    [Fact]
    public void An_Encoder_Alone_Restores_Nothing()
    {
        var read = ModelDescription.Parse(File, Json(SmallModel.Description with { Reconstruction = null, Data = null }));

        read.Reconstruction.ShouldBeNull();
        read.Data.ShouldBeNull();
        Should.Throw<ModelFileException>(() => read.RequireReconstruction(File)).Message
            .ShouldBe("m.safetensors holds an encoder without a decoder, so it cannot restore pictures: give the model as it was pretrained.");
    }

    [Theory]
    [InlineData("""{"version":3,"encoder":{}}""", "3", "use the Tessera that wrote it, or a newer one")]
    [InlineData("""{"version":0}""", "0", "use the Tessera that wrote it, or train the model anew")]
    [InlineData("""{"architecture":{"encoder":{}},"normalization":{},"mask":{}}""", "1", "use the Tessera that wrote it, or train the model anew")]
    public void Refuses_Another_Version(string json, string version, string remedy) => Message(json)
        .ShouldBe($"m.safetensors describes its model in version {version}, and this Tessera reads version 2: {remedy}.");

    [Theory]
    [InlineData("/", "null", "it is not an object")]
    [InlineData("/", "{", "")]
    [InlineData("/version", "\"2\"", "its version is not a whole number")]
    [InlineData("/version", "2.5", "its version is not a whole number")]
    [InlineData("/encoder", "null", "encoder")]
    [InlineData("/encoder/registers", "4", "registers")]
    [InlineData("/encoder/width", "15", "the width 15 must be a multiple of the number of heads 2")]
    [InlineData("/reconstruction/placement", "\"sideways\"", "placement")]
    [InlineData("/reconstruction/maskTokens", "0", "the number of mask tokens is 0: it must be at least 1")]
    [InlineData("/reconstruction/mask/masking", "\"spiral\"", "there is no masking 'spiral'")]
    [InlineData("/normalization/mean", "[0.1,0.2,0.3]", "there are 3 means and 1 deviations for pictures of 1 channels")]
    [InlineData("/normalization/deviation", "[0]", "the means must be finite, and the deviations finite and above 0")]
    [InlineData("/normalization/mean", "[\"NaN\"]", "the means must be finite, and the deviations finite and above 0")]
    [InlineData("/normalization", "{\"mean\":[0.5]}", "deviation")]
    [InlineData("/classifier", "{}", "classifier")]
    public void Refuses_What_It_Cannot_Build(string path, string value, string reason)
    {
        var message = Message(path == "/" ? value : With(path, value));

        message.ShouldStartWith("m.safetensors describes its model in a way that this version cannot build (");
        message.ShouldContain(reason);
        message.ShouldEndWith("): use the version that wrote it, or a newer one.");
    }

    private static string With(string path, string value)
    {
        var json = Node();
        var names = path[1..].Split('/');
        JsonNode parent = json;
        foreach (var name in names[..^1]) parent = parent[name]!;
        parent[names[^1]] = JsonNode.Parse(value);
        return json.ToJsonString();
    }

    private static JsonObject Node() => JsonNode.Parse(Json(SmallModel.Description))!.AsObject();

    private static string Json(ModelDescription description) => ModelFile.Metadata(description)[ModelDescription.MetadataKey];

    private static string Message(string json) => Should.Throw<ModelFileException>(() => ModelDescription.Parse(File, json)).Message;
}
